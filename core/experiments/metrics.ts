import { z } from 'zod';

/** Which way of a metric is the good one. */
export const DIRECTIONS = ['increase', 'decrease'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/**
 * `mean`: a sum over a count, both by unit (latency, tokens, a score). `rate`: the same with values of 0 and 1, for which there is
 * a form that holds at small counts (statistics/rate.ts).
 */
export type MetricKind = 'mean' | 'rate';

/** What a mean is measured in. `share`: of values of 0 and 1; `us`: microseconds; `microUsd`: millionths of a dollar. */
export const METRIC_UNITS = ['share', 'us', 'tokens', 'microUsd'] as const;
export type MetricUnit = (typeof METRIC_UNITS)[number];

/** A metric that Ringside measures of every inference itself. */
export interface BuiltinMetric {
  readonly kind: MetricKind;
  readonly better: Direction;
  readonly unit: MetricUnit;
  /**
   * Columns of `experiment_units`: the sum, and how many inferences it is made of. `input_n` and `output_n`: what is left of `usage_n`
   * without those of which that side is not known (store/experiment-sums.ts, store/inference-measures.ts).
   */
  readonly sum: string;
  readonly count: string;
  readonly about: string;
}

/**
 * Guards are of the assigned variant's first attempt, since a fallback would hide a dead challenger; the others of the inference,
 * for its assigned variant whoever served it.
 */
export const BUILTIN_METRICS = {
  error_rate: {
    ...{ kind: 'rate', better: 'decrease', unit: 'share', sum: 'failures', count: 'requests' },
    about: 'first attempts that failed, a skip by the breaker among them',
  },
  latency: {
    ...{ kind: 'mean', better: 'decrease', unit: 'us', sum: 'latency_us', count: 'latency_n' },
    about: 'duration of first attempts that succeeded',
  },
  latency_over_objective: {
    ...{ kind: 'rate', better: 'decrease', unit: 'share', sum: 'over_objective', count: 'requests' },
    about: 'first attempts that failed or took longer than `latencyObjectiveMs`',
  },
  first_token: {
    ...{ kind: 'mean', better: 'decrease', unit: 'us', sum: 'first_token_us', count: 'first_token_n' },
    about: 'time to the first token of streams',
  },
  first_token_over_objective: {
    ...{ kind: 'rate', better: 'decrease', unit: 'share', sum: 'first_token_over', count: 'first_token_n' },
    about: 'streams whose first token took longer than `firstTokenObjectiveMs`',
  },
  input_tokens: {
    ...{ kind: 'mean', better: 'decrease', unit: 'tokens', sum: 'input_tokens', count: 'input_n' },
    about: 'tokens of the prompt',
  },
  output_tokens: {
    ...{ kind: 'mean', better: 'decrease', unit: 'tokens', sum: 'output_tokens', count: 'output_n' },
    about: 'tokens of the answer',
  },
  cost: {
    ...{ kind: 'mean', better: 'decrease', unit: 'microUsd', sum: 'cost_micro_usd', count: 'cost_n' },
    about: 'cost of inferences whose model has prices',
  },
  cache_hit_rate: {
    ...{ kind: 'rate', better: 'increase', unit: 'share', sum: 'cache_hits', count: 'usage_n' },
    about: 'inferences of whose prompt the provider had a part cached',
  },
  refusal_rate: {
    ...{ kind: 'rate', better: 'decrease', unit: 'share', sum: 'refusals', count: 'requests' },
    about: 'answers that a filter ended or that are refusals',
  },
} as const satisfies Record<string, BuiltinMetric>;

export type BuiltinMetricName = keyof typeof BUILTIN_METRICS;

/** Metrics that Ringside derives from what was captured, in the background. They arrive like feedback. */
export const DERIVED_METRICS = ['schema_validity'] as const;

export function isBuiltin(name: string): name is BuiltinMetricName {
  return Object.hasOwn(BUILTIN_METRICS, name);
}

/** The name of a metric of feedback: what applications send, and experiments look at. */
export const metricNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_.-]{0,63}$/, 'is up to 64 lower-case letters, digits and _ . -, a letter first');

/** A built-in metric, a derived one, or one of feedback; `name=label` is the share of a label. */
export const metricRefSchema = z
  .string()
  .regex(
    /^[a-z][a-z0-9_.-]{0,63}(=[^\s=]{1,64})?$/,
    'is the name of a built-in metric or of one that feedback reports; name=label for the share of a label',
  );
