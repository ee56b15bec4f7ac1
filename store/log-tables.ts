import type { Generated, JSONColumnType } from 'kysely';

/** A row of the log: one inference. */
export interface InferenceTable {
  id: string;
  group_id: string;
  created_at: Date;
  organization_id: string;
  schema_version: number;
  gateway_id: string;
  config_version: number;
  key_id: string;
  operation: string;
  dialect: string;
  streamed: boolean;
  assigned_variant: string;
  served_variant: string | null;
  served_reason: string;
  unit: string;
  unit_source: string;
  hash_version: number;
  bucket: number;
  range_from: number;
  range_to: number;
  phase: number;
  status: number;
  outcome: string;
  error_code: string | null;
  end_reason: string;
  finish_reason: string | null;
  attempts: JSONColumnType<object[]>;
  input_tokens: number | null;
  output_tokens: number | null;
  cached_tokens: number | null;
  reasoning_tokens: number | null;
  cost_micro_usd: number | null;
  queue_ns: number | null;
  connect_ns: number | null;
  first_byte_ns: number | null;
  first_token_ns: number | null;
  total_ns: number;
  cache: string | null;
  trace_id: string;
  metadata: JSONColumnType<Record<string, unknown>> | null;
  request_bytes: number;
  response_bytes: number;
  /** Both sides' facts of core/capture-facts.ts; null where a release wrote the row that did not say. */
  capture_facts: number | null;
  /** Null where it counts in no experiment. */
  experiment_id: string | null;
  experiment_phase: number | null;
  arm: number | null;
  /** Of a mirrored call: the inference that it mirrors. */
  shadow_of: string | null;
}

/** Exact figures of a minute; migrations/0005. */
export interface RollupTable {
  organization_id: string;
  group_id: string;
  minute: Date;
  assigned_variant: string;
  served_variant: string | null;
  error_code: string | null;
  count: number;
  interrupted: number;
  /** In the table, of `count`; in the view, beside it. */
  shadows: Generated<number>;
  interrupted_shadows: Generated<number>;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  reasoning_tokens: number;
  with_usage: number;
  cost_micro_usd: number;
  with_cost: number;
  total_ns: number;
  first_token_ns: number;
  latency: JSONColumnType<Record<string, number>>;
  first_token: JSONColumnType<Record<string, number>>;
}
