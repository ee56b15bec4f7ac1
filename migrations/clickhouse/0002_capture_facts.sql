-- As migrations/0008_capture_facts.ts: 7 bits of each side's facts (core/capture-facts.ts), the request's below. Null in older rows.
ALTER TABLE inferences ADD COLUMN IF NOT EXISTS capture_facts Nullable(Int16) CODEC(ZSTD(1));
