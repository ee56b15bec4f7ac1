import type { ExperimentDefinition, Guardrail, PrimaryMetric } from '#core/experiments/definition.ts';
import { specOf } from '#core/experiments/metric-spec.ts';
import { BUILTIN_METRICS, isBuiltin } from '#core/experiments/metrics.ts';
import type { RolloutPlan } from '#core/rollout/plan.ts';
import type { Issue } from '../problem.ts';

/** What is wrong with an experiment's definition, in a rollout of this strategy, that its schema cannot see. */
export function checkExperiment(
  { primary, guardrails }: ExperimentDefinition,
  strategy: RolloutPlan['strategy'],
): Issue[] {
  const issues: Issue[] = [];
  if (primary !== null) issues.push(...checkMetric(primary, 'experiment.primary'));
  else if (strategy.kind === 'ab') {
    issues.push({ field: 'experiment.primary', message: 'is required for the strategy "ab", which decides by it' });
  }
  guardrails.forEach((guardrail, index) => {
    const at = `experiment.guardrails[${index}]`;
    issues.push(...checkMetric(guardrail, at), ...checkMargin(guardrail, at));
    if (guardrails.findIndex(({ metric }) => metric === guardrail.metric) < index) {
      issues.push({
        field: `${at}.metric`,
        message: `"${guardrail.metric}" is guarded already; list each metric once`,
      });
    }
  });
  return issues;
}

function checkMetric(written: PrimaryMetric | Guardrail, at: string): Issue[] {
  const { metric, kind } = written;
  const [name, label] = splitRef(metric);
  if (!isBuiltin(name)) {
    return [
      ...checkSpec(written, at),
      ...(label !== undefined && kind === 'mean'
        ? [{ field: `${at}.kind`, message: 'the share of a label is a rate; leave it out' }]
        : []),
    ];
  }
  if (label !== undefined) {
    return [{ field: `${at}.metric`, message: `"${name}" is measured by Ringside and has no labels; write "${name}"` }];
  }
  const known = BUILTIN_METRICS[name].kind;
  return [
    ...checkSpec(written, at),
    ...(kind !== undefined && kind !== known
      ? [{ field: `${at}.kind`, message: `"${name}" is a ${known}; leave it out` }]
      : []),
  ];
}

/** By what looks are made with, so that no definition is taken that the engine could never look at. */
function checkSpec(written: PrimaryMetric | Guardrail, at: string): Issue[] {
  try {
    specOf(written);
    return [];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return [
      {
        field: `${at}.direction`,
        message: `is required: whether more of "${written.metric}" is better ("increase") or less ("decrease") is not known`,
      },
    ];
  }
}

/** A margin that is no share of anything would never be reached. */
function checkMargin({ metric, kind, relative, margin }: Guardrail, at: string): Issue[] {
  const [name, label] = splitRef(metric);
  const isRate = isBuiltin(name) ? BUILTIN_METRICS[name].kind === 'rate' : kind === 'rate' || label !== undefined;
  if (!isRate || relative || margin <= 1) return [];
  return [
    {
      field: `${at}.margin`,
      message: `"${metric}" is a share: its margin is at most 1 (0.01 is one point in a hundred)`,
    },
  ];
}

function splitRef(metric: string): [name: string, label: string | undefined] {
  const [name = '', label] = metric.split('=');
  return [name, label];
}
