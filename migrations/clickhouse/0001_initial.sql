-- The inference log in ClickHouse: rows only, cursors and ledger stay in PostgreSQL (docs/decisions/0016-clickhouse-sink.md).
-- Every statement may run again, and ends with a semicolon at the end of a line.
--
-- A repeated batch brings the same rows again. One that is cut as before is dropped by its token
-- (non_replicated_deduplication_window); otherwise the sorting key replaces them, in a merge or for a reader with FINAL.
-- So the key is what makes a row unique, and the partition a function of it.
--
-- Month by month and not by group: every insert makes a part in each partition that it touches.
-- What is acknowledged is fsynced, as in PostgreSQL; the spool's segments are removed after it.
CREATE TABLE IF NOT EXISTS inferences (
  id UUID CODEC(ZSTD(1)),
  group_id UUID CODEC(ZSTD(1)),
  created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  organization_id UUID CODEC(ZSTD(1)),
  schema_version Int16 CODEC(ZSTD(1)),
  gateway_id UUID CODEC(ZSTD(1)),
  config_version Int64 CODEC(ZSTD(1)),
  key_id UUID CODEC(ZSTD(1)),
  operation LowCardinality(String),
  dialect LowCardinality(String),
  streamed Bool,
  assigned_variant LowCardinality(String),
  served_variant LowCardinality(Nullable(String)),
  served_reason LowCardinality(String),
  unit String CODEC(ZSTD(1)),
  unit_source LowCardinality(String),
  hash_version Int32 CODEC(ZSTD(1)),
  bucket Int16 CODEC(ZSTD(1)),
  range_from Int16 CODEC(ZSTD(1)),
  range_to Int16 CODEC(ZSTD(1)),
  phase Int32 CODEC(ZSTD(1)),
  status Int16 CODEC(ZSTD(1)),
  outcome LowCardinality(String),
  error_code LowCardinality(Nullable(String)),
  end_reason LowCardinality(String),
  finish_reason LowCardinality(Nullable(String)),
  attempts String CODEC(ZSTD(1)) COMMENT 'JSON',
  input_tokens Nullable(Int32) CODEC(ZSTD(1)),
  output_tokens Nullable(Int32) CODEC(ZSTD(1)),
  cached_tokens Nullable(Int32) CODEC(ZSTD(1)),
  reasoning_tokens Nullable(Int32) CODEC(ZSTD(1)),
  cost_micro_usd Nullable(Int64) CODEC(ZSTD(1)),
  queue_ns Nullable(Int64) CODEC(ZSTD(1)),
  connect_ns Nullable(Int64) CODEC(ZSTD(1)),
  first_byte_ns Nullable(Int64) CODEC(ZSTD(1)),
  first_token_ns Nullable(Int64) CODEC(ZSTD(1)),
  total_ns Int64 CODEC(ZSTD(1)),
  cache LowCardinality(Nullable(String)),
  trace_id String CODEC(ZSTD(1)),
  metadata Nullable(String) CODEC(ZSTD(1)) COMMENT 'JSON',
  request_bytes Int64 CODEC(ZSTD(1)),
  response_bytes Int64 CODEC(ZSTD(1)),
  -- What the API filters on beside group and time.
  INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX by_trace trace_id TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_unit unit TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_key key_id TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_assigned_variant assigned_variant TYPE set(100) GRANULARITY 1,
  INDEX by_served_variant served_variant TYPE set(100) GRANULARITY 1,
  INDEX by_status status TYPE set(100) GRANULARITY 1,
  INDEX by_error_code error_code TYPE set(100) GRANULARITY 1,
  INDEX by_finish_reason finish_reason TYPE set(100) GRANULARITY 1,
  INDEX by_total_ns total_ns TYPE minmax GRANULARITY 1,
  INDEX by_output_tokens output_tokens TYPE minmax GRANULARITY 1,
  INDEX by_cost_micro_usd cost_micro_usd TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (group_id, created_at, id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Apart from the rows, so that filters read whole granules of 8 192 rows and merges of rows do not move bodies.
CREATE TABLE IF NOT EXISTS inference_payloads (
  id UUID CODEC(ZSTD(1)),
  group_id UUID CODEC(ZSTD(1)),
  created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  organization_id UUID CODEC(ZSTD(1)),
  request Nullable(String) CODEC(ZSTD(3)) COMMENT 'bytes as captured',
  request_sha256 Nullable(String) CODEC(NONE) COMMENT 'raw bytes',
  response Nullable(String) CODEC(ZSTD(3)) COMMENT 'bytes as captured',
  response_sha256 Nullable(String) CODEC(NONE) COMMENT 'raw bytes',
  response_type LowCardinality(Nullable(String)),
  INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (group_id, created_at, id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
