-- Where an inference counts, and what it mirrors; null where it does neither.
ALTER TABLE inferences ADD COLUMN IF NOT EXISTS experiment_id Nullable(UUID);
ALTER TABLE inferences ADD COLUMN IF NOT EXISTS experiment_phase Nullable(Int32);
ALTER TABLE inferences ADD COLUMN IF NOT EXISTS arm Nullable(Int16);
ALTER TABLE inferences ADD COLUMN IF NOT EXISTS shadow_of Nullable(UUID);
