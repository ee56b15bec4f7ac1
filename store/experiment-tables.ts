import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { ExperimentDefinition, Ingest } from '#core/experiments/definition.ts';
import type { Look } from '#core/experiments/look.ts';
import type { RolloutPlan } from '#core/rollout/plan.ts';
import type { RolloutState } from '#core/rollout/state.ts';
import type { BucketRange } from '#core/split/ranges.ts';
import type { WeightVersionVariant } from './database.ts';
import type { FlatHistory, FlatSums } from './experiment-sums.ts';

/** The tables of rollouts and of what they are decided by: experiments, feedback, mirrored calls. migrations/0014 and 0015 say what they hold. */
export interface ExperimentTables {
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
  experiment_sums: {
    experiment_id: string;
    metric: string;
    phase: number;
    arm: number;
    organization_id: string;
    sums: JSONColumnType<FlatSums>;
    history: JSONColumnType<Omit<FlatHistory, 'phase' | 'arm'>> | null;
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
    derive_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
    derive_detail: Generated<string>;
  };
  experiment_history: {
    experiment_id: string;
    unit: string;
    organization_id: string;
    metric: string;
    n: number;
    sum: ColumnType<string, string | number, string | number>;
    /** The covariate, for sums in SQL: it may be beyond what a number can be. Null: of a release that did not keep it. */
    x: Generated<number | null>;
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
    evaluation_since: ColumnType<Date | null, Date | null | undefined, Date | null>;
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
  /** Of the looks before it, only some are kept. */
  looks_thinned_before: Generated<Date | null>;
  /** From then on nothing more counts in its experiment. */
  closed_at: Generated<Date | null>;
  /** What its units did is in `experiment_sums`, and no longer in the tables of units. */
  folded_at: Generated<Date | null>;
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
  without_input: Generated<number>;
  without_output: Generated<number>;
  cost_micro_usd: number;
  cost_n: number;
  cache_hits: number;
  refusals: number;
}
