-- Where an inference counts, and what it mirrors; null where it does neither.
ALTER TABLE inferences
  ADD COLUMN IF NOT EXISTS experiment_id Nullable(UUID),
  ADD COLUMN IF NOT EXISTS experiment_phase Nullable(Int32),
  ADD COLUMN IF NOT EXISTS arm Nullable(Int16),
  ADD COLUMN IF NOT EXISTS shadow_of Nullable(UUID);
