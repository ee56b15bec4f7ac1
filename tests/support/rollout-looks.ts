import type { Comparison, GuardrailResult, Look, MetricResult, Verdict } from '#core/experiments/look.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { rolloutPlanSchema } from '#core/rollout/plan.ts';
import type { MachineFacts, MachineRollout } from '#core/rollout/step.ts';

/** What a hand-made look says of one challenger; left out, all is well and nothing is decided. */
export interface Saying {
  readonly verdict?: Verdict;
  readonly guardrail?: GuardrailResult['state'];
  readonly severity?: GuardrailResult['severity'];
  readonly fired?: boolean;
  readonly effect?: number;
  /** Nobody has measured the metrics. */
  readonly unmeasured?: boolean;
}

const METRIC: Omit<MetricResult, 'metric'> = {
  ...{ kind: 'mean', direction: 'increase', relative: true, method: 'confidence_sequence', why: null },
  champion: { units: 500, n: 500, mean: 1 },
  challenger: { units: 500, n: 500, mean: 1 },
  ...{ effect: 0, standardError: 0.1, lower: -0.2, upper: 0.2, pValue: 0.5, alpha: 0.05, varianceReduction: null },
};
const NOTHING = { units: 0, n: 0, mean: null };

/** The primary metric `score`, the guardrail `error_rate`, and the fast guard. */
export function comparisonOf(arm: number, challenger: string, saying: Saying = {}): Comparison {
  const {
    verdict = 'running',
    guardrail = 'passed',
    severity = 'rollback',
    fired = false,
    effect = 0,
    unmeasured,
  } = saying;
  const arms = unmeasured ? { champion: NOTHING, challenger: NOTHING } : {};
  return {
    ...{ challenger, arm, verdict, reasons: [`${challenger} is ${verdict}`] },
    primary: { ...METRIC, metric: 'score', effect, ...arms },
    guardrails: [
      { ...METRIC, metric: 'error_rate', direction: 'decrease', margin: 0.01, severity, state: guardrail, ...arms },
    ],
    fastGuard: { kind: 'two_arm', eValue: fired ? 1_000 : 0.5, threshold: 100, fired },
  };
}

/** A look at the champion `a` and the challengers that are said something of. */
export function lookOf(
  sayings: Readonly<Record<string, Saying>>,
  changes: {
    readonly atMs?: number;
    readonly srm?: boolean;
    readonly units?: readonly number[];
    readonly phase?: number;
  } = {},
): Look {
  const { atMs = 0, srm = false, phase = 1 } = changes;
  const arms = ['a', ...Object.keys(sayings)];
  const units = changes.units ?? arms.map(() => 1_000);
  return {
    ...{ atMs, phase, units, requests: units },
    srm: {
      ...{
        pValue: 1,
        minPValue: srm ? 1e-6 : 1,
        alpha: 0.001,
        fired: srm,
        expected: units,
        observed: units,
        chiSquare: null,
      },
    },
    evidence: { lost: 0, underWay: 0, lastAtMs: atMs, broken: [] },
    comparisons: Object.entries(sayings).map(([name, saying], index) => comparisonOf(index + 1, name, saying)),
  };
}

export function machineOf(plan: object, changes: Partial<MachineRollout> = {}): MachineRollout {
  return {
    state: 'draft',
    plan: rolloutPlanSchema.parse(plan),
    ...{ hasPrimary: true, guardrails: ['error_rate'], preparesAtLength: false, arms: ['a', 'b'] },
    memory: rolloutMemorySchema.parse({}),
    ...changes,
  };
}

export function factsOf(changes: Partial<MachineFacts> = {}): MachineFacts {
  return { look: null, gates: new Map(), freeze: null, pairs: [], ...changes };
}
