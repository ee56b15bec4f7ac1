-- Up to which run of a group's retention all is over: its DELETEs, and those of runs before, remove nothing any more, however late
-- they arrive (docs/decisions/0016-clickhouse-sink.md).
CREATE TABLE IF NOT EXISTS expiry_fences (
  group_id UUID,
  run Int64
)
ENGINE = ReplacingMergeTree(run)
ORDER BY group_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
