import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { ExperimentDefinition, Ingest } from '#core/experiments/definition.ts';
import type { Look } from '#core/experiments/look.ts';
import type { RolloutPlan } from '#core/rollout/plan.ts';
import type { RolloutState } from '#core/rollout/state.ts';
import type { Capture, LogPolicy } from '#core/snapshot/log-policy.ts';
import type { Timeouts } from '#core/snapshot/schema.ts';
import type { ShadowPolicy } from '#core/snapshot/shadow-policy.ts';
import type { TrafficPolicy } from '#core/snapshot/traffic-policy.ts';
import type { BucketRange } from '#core/split/ranges.ts';
import type { Role } from '#core/weights.ts';

/** The tables of the schema `ringside`, as Kysely sees them. bigint columns arrive as numbers (see pool.ts). */
export interface Database {
  organizations: { id: string; name: string; created_at: Generated<Date> };
  providers: Versioned & {
    kind: string;
    base_url: string;
    credentials: string | null;
    credential_hint: string | null;
    header_names: string[];
    timeouts: JSONColumnType<Timeouts>;
    /** Of the kind `custom` only. */
    definition: JSONColumnType<Record<string, unknown> | null, string | null, string | null>;
  };
  models: Versioned & { meta: JSONColumnType<Record<string, unknown>> };
  deployments: {
    model_id: string;
    position: number;
    organization_id: string;
    provider_id: string;
    upstream_model: string;
    weight: number;
    zone: string | null;
  };
  groups: Versioned & {
    description: string;
    salt: string;
    hash_version: Generated<number>;
    phase: Generated<number>;
    /** As an earlier release wrote it: fields may lack. */
    capture: JSONColumnType<Capture>;
    log: JSONColumnType<LogPolicy>;
    traffic: JSONColumnType<Partial<TrafficPolicy>, string | undefined>;
    shadow: JSONColumnType<Partial<ShadowPolicy>, string | undefined>;
  };
  variants: {
    group_id: string;
    model_id: string;
    organization_id: string;
    position: number;
    role: Role;
    weight_bp: number;
    ranges: JSONColumnType<BucketRange[]>;
  };
  weight_versions: {
    group_id: string;
    config_version: number;
    organization_id: string;
    salt: string;
    hash_version: number;
    phase: number;
    variants: JSONColumnType<WeightVersionVariant[]>;
    created_at: Generated<Date>;
  };
  api_keys: Versioned & {
    digest: Buffer;
    hint: string;
    group_ids: string[] | null;
    default_unit: string | null;
    expires_at: Date | null;
    key_version: number;
  };
  snapshots: {
    version: number;
    organization_id: string;
    document: JSONColumnType<object>;
    created_at: Generated<Date>;
  };
  admin_tokens: {
    id: string;
    organization_id: string;
    name: string;
    role: AdminRole;
    digest: Buffer;
    hint: string;
    created_at: Generated<Date>;
    expires_at: Date | null;
    deleted_at: Date | null;
  };
  audit_entries: {
    id: Generated<number>;
    organization_id: string;
    at: Generated<Date>;
    actor: string;
    action: string;
    resource: string;
    before: JSONColumnType<object> | null;
    after: JSONColumnType<object> | null;
    config_version: number | null;
    request_id: string;
  };
  idempotency_keys: {
    organization_id: string;
    key: string;
    fingerprint: Buffer;
    status: number;
    answer: string;
    created_at: Generated<Date>;
  };
  gateways: {
    id: string;
    host: string;
    pid: number;
    release: string;
    workers: number;
    snapshot_version: number;
    key_version: number;
    started_at: Date;
    spools: Generated<number>;
    seen_at: ColumnType<Date, Date | undefined, Date>;
    stopped_at: Date | null;
  };
  inferences: InferenceTable;
  inference_payloads: {
    id: string;
    group_id: string;
    created_at: Date;
    organization_id: string;
    request: Buffer | null;
    request_sha256: Buffer | null;
    response: Buffer | null;
    response_sha256: Buffer | null;
    response_type: string | null;
  };
  spools: {
    id: string;
    gateway_id: string;
    scan_segment: number;
    scan_offset: number;
    shipped_segment: number;
    shipped_offset: number;
    finished: Generated<boolean>;
    updated_at: Generated<Date>;
  };
  ledger: {
    gateway_id: string;
    group_id: string;
    stored: number;
    interrupted: number;
    dropped: number;
    archived: Generated<number>;
    expired: Generated<number>;
    interrupted_removed: Generated<number>;
    rolled: Generated<number>;
    rollups_removed: Generated<number>;
  };
  gateway_ledgers: {
    gateway_id: string;
    group_id: string;
    accepted: number;
    recorded: number;
    dropped: JSONColumnType<Record<string, number>>;
    reported_at: Generated<Date>;
  };
  rollups: RollupTable & { gateway_id: string };
  rollup_minutes: RollupTable;
  archives: ArchiveTable;
  rollouts: RolloutTable;
  rollout_transitions: {
    id: Generated<number>;
    rollout_id: string;
    organization_id: string;
    at: Generated<Date>;
    from_state: string;
    to_state: string;
    event: string;
    reason: string;
    actor: string;
    weights: JSONColumnType<Record<string, number>> | null;
    phase: number;
    config_version: number | null;
  };
  rollout_webhooks: {
    id: string;
    rollout_id: string;
    organization_id: string;
    hook: string;
    gate: string;
    payload: JSONColumnType<Record<string, unknown>>;
    state: Generated<'pending' | 'approved' | 'denied' | 'failed'>;
    attempts: Generated<number>;
    next_at: ColumnType<Date, Date | undefined, Date>;
    detail: Generated<string>;
    created_at: Generated<Date>;
    updated_at: ColumnType<Date, Date | undefined, Date>;
  };
  freeze_windows: {
    id: string;
    organization_id: string;
    group_id: string | null;
    starts_at: Date;
    ends_at: Date;
    reason: string;
    created_at: Generated<Date>;
  };
  experiment_phases: {
    experiment_id: string;
    phase: number;
    organization_id: string;
    weights_bp: JSONColumnType<number[]>;
    is_mixed: Generated<boolean>;
    lost_before: JSONColumnType<Record<string, number>, string | undefined>;
    started_at: Generated<Date>;
  };
  experiment_units: ExperimentUnitTable;
  experiment_totals: {
    experiment_id: string;
    phase: number;
    arm: number;
    gateway_id: string;
    organization_id: string;
    units: number;
    failing_units: number;
    requests: number;
    failures: number;
    latency: JSONColumnType<Record<string, number>>;
    first_token: JSONColumnType<Record<string, number>>;
    last_at: Date;
  };
  experiment_unit_metrics: {
    experiment_id: string;
    phase: number;
    arm: number;
    metric: string;
    unit: string;
    organization_id: string;
    n: number;
    /** numeric: read as text, so that nothing is rounded before it must be. */
    sum: ColumnType<string, string | number, string | number>;
  };
  experiment_inferences: {
    inference_id: string;
    experiment_id: string;
    organization_id: string;
    group_id: string;
    phase: number;
    arm: number;
    unit: string;
    correlation: string | null;
    shadow_of: string | null;
    created_at: Date;
    is_derived: Generated<boolean>;
  };
  experiment_history: {
    experiment_id: string;
    unit: string;
    organization_id: string;
    metric: string;
    n: number;
    sum: ColumnType<string, string | number, string | number>;
  };
  experiment_looks: {
    id: Generated<number>;
    experiment_id: string;
    organization_id: string;
    at: Date;
    phase: number;
    look: JSONColumnType<Look>;
  };
  feedback: {
    organization_id: string;
    id: string;
    inference_id: string | null;
    correlation: string | null;
    metric: string;
    kind: 'numeric' | 'boolean' | 'label' | 'comment';
    value: ColumnType<string | null, string | number | null, string | number | null>;
    label: string | null;
    comment: string | null;
    key_id: string;
    gateway_id: string;
    at: Date;
    received_at: Date;
    state: Generated<'pending' | 'joined' | 'unmatched'>;
    next_at: Generated<Date>;
    joined_at: Date | null;
    experiment_id: string | null;
    phase: number | null;
    arm: number | null;
    is_shadow: Generated<boolean>;
    delay_ms: number | null;
  };
  shadow_pairs: {
    shadow_id: string;
    inference_id: string;
    organization_id: string;
    group_id: string;
    experiment_id: string | null;
    shadow_variant: string;
    unit: string;
    created_at: Date;
    state: Generated<'pending' | 'compared' | 'given_up'>;
    attempts: Generated<number>;
    next_at: ColumnType<Date, Date | undefined, Date>;
    detail: Generated<string>;
    measures: JSONColumnType<Record<string, number>, string | undefined>;
    evaluation: Generated<'none' | 'pending' | 'scored' | 'failed'>;
    evaluation_attempts: Generated<number>;
    evaluation_next_at: ColumnType<Date, Date | undefined, Date>;
    evaluation_at: Date | null;
    evaluation_detail: Generated<string>;
  };
  shadow_evaluators: {
    group_id: string;
    organization_id: string;
    evaluator_group_id: string | null;
    key_id: string | null;
    key: string | null;
    webhook_secret: string | null;
  };
}

interface RolloutTable {
  id: string;
  organization_id: string;
  group_id: string;
  name: string;
  definition: JSONColumnType<ExperimentDefinition>;
  plan: JSONColumnType<RolloutPlan>;
  arms: JSONColumnType<RolloutArm[]>;
  ingest: JSONColumnType<Ingest, string | undefined>;
  state: RolloutState;
  /** What core/rollout/machine.ts keeps. */
  memory: JSONColumnType<Record<string, unknown>, string | undefined>;
  reason: Generated<string>;
  phase: Generated<number>;
  /** The champion's buckets that count, while slices are compared. */
  control: JSONColumnType<BucketRange[], string | undefined>;
  before: JSONColumnType<WeightVersionVariant[]> | null;
  /** Envelope of what its webhooks are signed with. */
  secrets: string | null;
  version: Generated<number>;
  created_at: Generated<Date>;
  updated_at: ColumnType<Date, Date | undefined, Date>;
  started_at: Date | null;
  ended_at: Date | null;
}

/** The champion first, then the challengers. */
export interface RolloutArm {
  readonly modelId: string;
  readonly model: string;
}

interface ExperimentUnitTable {
  experiment_id: string;
  phase: number;
  arm: number;
  unit: string;
  organization_id: string;
  first_at: Date;
  requests: number;
  failures: number;
  over_objective: number;
  latency_us: number;
  latency_n: number;
  first_token_us: number;
  first_token_n: number;
  first_token_over: number;
  input_tokens: number;
  output_tokens: number;
  usage_n: number;
  cost_micro_usd: number;
  cost_n: number;
  cache_hits: number;
  refusals: number;
}

export const ADMIN_ROLES = ['viewer', 'operator', 'admin', 'owner'] as const;
export type AdminRole = (typeof ADMIN_ROLES)[number];

interface Versioned {
  id: string;
  organization_id: string;
  name: string;
  version: Generated<number>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
  deleted_at: Date | null;
}

/** A variant as a weight version keeps it. */
export interface WeightVersionVariant {
  readonly modelId: string;
  readonly model: string;
  readonly role: Role;
  readonly weightBp: number;
  readonly ranges: readonly BucketRange[];
}

/** How an archive stands; see migrations/0004. */
type ArchiveState = 'writing' | 'verified' | 'dropped' | 'restored' | 'damaged';

/** Rows of a partition by gateway, status and outcome; `ids` tells them from as many others (count_rows of migrations/0004). */
export interface RowCount {
  readonly gatewayId: string;
  readonly status: number;
  readonly outcome: string;
  readonly rows: number;
  readonly ids: string;
}

/** The columns that the lines of an archive have. */
export interface ArchiveColumns {
  readonly inferences: readonly string[];
  readonly payloads: readonly string[];
}

interface ArchiveTable {
  id: string;
  organization_id: string;
  group_id: string;
  starts_at: Date;
  ends_at: Date;
  state: Generated<ArchiveState>;
  format: 'jsonl' | 'parquet';
  location: string;
  counts: JSONColumnType<RowCount[]> | null;
  columns: JSONColumnType<ArchiveColumns> | null;
  row_count: number | null;
  payload_count: number | null;
  file_bytes: number | null;
  file_sha256: string | null;
  restored_until: Date | null;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

interface InferenceTable {
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

interface RollupTable {
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
