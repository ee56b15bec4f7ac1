import type { Guardrail, PrimaryMetric } from './definition.ts';
import {
  BUILTIN_METRICS,
  DERIVED_METRICS,
  type Direction,
  isBuiltin,
  type MetricKind,
  type MetricUnit,
} from './metrics.ts';

/** What must be known of a metric to compare two arms by it. */
export interface MetricSpec {
  readonly metric: string;
  readonly kind: MetricKind;
  /** Of its means; null: that of the reports, which nobody but their sender knows. */
  readonly unit: MetricUnit | null;
  readonly direction: Direction;
  readonly relative: boolean;
}

/**
 * Fills in what a definition leaves to the built-in metric.
 * @throws RangeError where neither says which direction is the good one: a guess could promote what is worse.
 */
export function specOf(written: PrimaryMetric | Guardrail): MetricSpec {
  const builtin = isBuiltin(written.metric) ? BUILTIN_METRICS[written.metric] : null;
  const direction = written.direction ?? builtin?.better;
  if (direction === undefined) {
    throw new RangeError(`direction: "${written.metric}" is no built-in metric, so say "increase" or "decrease"`);
  }
  const kind = written.kind ?? kindOf(written.metric);
  return {
    metric: written.metric,
    kind,
    unit: builtin?.unit ?? (kind === 'rate' ? 'share' : null),
    direction,
    relative: written.relative,
  };
}

/** What a metric is unless its definition says otherwise. The share of a label is one of values of 0 and 1, and so is what Ringside derives; of other reports, nobody but their sender knows. */
export function kindOf(metric: string): MetricKind {
  if (isBuiltin(metric)) return BUILTIN_METRICS[metric].kind;
  return metric.includes('=') || (DERIVED_METRICS as readonly string[]).includes(metric) ? 'rate' : 'mean';
}
