import type { ChampionHistory, Guardrail } from './definition.ts';
import type { Direction, MetricKind, MetricUnit } from './metrics.ts';

/** What is concluded about a challenger. */
export const VERDICTS = [
  'insufficient_data',
  'running',
  'challenger_better',
  'champion_better',
  'equivalent',
  'inconclusive',
  'invalid',
] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Exact sums of one metric in one arm and phase, over its units: S is a unit's sum of the metric, n its number of values. */
export interface ArmSums {
  readonly units: number;
  /** Σn, Σn² */
  readonly n: number;
  readonly nSquares: number;
  /** ΣS, ΣS² */
  readonly sum: number;
  readonly sumSquares: number;
  /** ΣSn */
  readonly products: number;
  /** Σ(S − Rn)², R = ΣS/Σn, of sums that are known exactly; left out: what the sums above, rounded as they are, leave of it. */
  readonly deviations?: number;
}

/** A metric's sums in one phase. `arms[0]` is the champion; null: nothing was measured in that arm. */
export interface PhaseSums {
  readonly phase: number;
  readonly arms: readonly (ArmSums | null)[];
  /** Adjusted by what units did before (CUPED), where they have a history: the same means with a smaller variance. */
  readonly adjusted?: readonly (AdjustedArm | null)[];
}

/** Mean of an arm after CUPED and the variance of that mean. */
export interface AdjustedArm {
  readonly mean: number;
  readonly varianceOfMean: number;
}

/** Distinct units and inferences of each arm in one phase, and the share of the buckets that each arm has. */
export interface PhaseUnits {
  readonly phase: number;
  /** By arm: buckets of 10 000; their ratio does not change within a phase. */
  readonly weightsBp: readonly number[];
  readonly units: readonly number[];
  readonly failingUnits: readonly number[];
  readonly requests: readonly number[];
  readonly failures: readonly number[];
  /** Missing: not known. */
  readonly startedAtMs?: number;
}

/** What is known of whether the evidence is whole. */
export interface Evidence {
  /** Of the experiment's inferences, from the ledger: lost for good, and not stored yet. */
  readonly lost: number;
  readonly underWay: number;
  /** When the newest counted inference was stored; null: none. */
  readonly lastAtMs: number | null;
  /** What makes a phase useless, in words; empty: nothing. */
  readonly broken: readonly string[];
}

/** All that a look is made from. */
export interface Observation {
  readonly atMs: number;
  /** Names of the models: the champion, then the challengers. */
  readonly arms: readonly string[];
  /** The phase under way. */
  readonly phase: number;
  readonly phases: readonly PhaseUnits[];
  /** By metric (`PrimaryMetric.metric`, `Guardrail.metric`). Missing: nobody has measured it. */
  readonly metrics: Readonly<Record<string, readonly PhaseSums[]>>;
  readonly evidence: Evidence;
  /** The smallest p-value of the split in earlier looks; 1 before the first. */
  readonly minSrmP: number;
  /** The champion before the start; null or missing: nothing is known of it. */
  readonly history?: ChampionHistory | null;
  /** As the look before left them; missing: there was none, or it did not count them. */
  readonly values?: Look['values'];
}

/** Values of a metric in an arm, as of the look that found the newest of them. */
export interface ValueCount {
  readonly n: number;
  /** Of the arm, until then. */
  readonly requests: number;
  /** When that was; before the first value: when the experiment began. */
  readonly sinceMs: number;
  /** The longest time between looks that found values, the first from the beginning on. */
  readonly longestMs: number;
}

/** One metric of one challenger against the champion. */
export interface MetricResult {
  readonly metric: string;
  readonly kind: MetricKind;
  /** Of both means and, unless `relative`, of effect, error and bounds; null: that of the reports. Missing in looks of the releases that did not name it. */
  readonly unit?: MetricUnit | null | undefined;
  readonly direction: Direction;
  readonly relative: boolean;
  /** `none`: too few units, no variance, or nothing measured; then the numbers below are null. `why` says what makes a number null. */
  readonly method: 'confidence_sequence' | 'small_counts' | 'none';
  readonly why: string | null;
  readonly champion: { readonly units: number; readonly n: number; readonly mean: number | null };
  readonly challenger: { readonly units: number; readonly n: number; readonly mean: number | null };
  readonly effect: number | null;
  readonly standardError: number | null;
  /** Two-sided at `alpha`, valid at every look. */
  readonly lower: number | null;
  readonly upper: number | null;
  readonly pValue: number | null;
  readonly alpha: number;
  /** Variance that CUPED took away, 0 to 1. */
  readonly varianceReduction: number | null;
}

export interface GuardrailResult extends MetricResult {
  readonly margin: number;
  readonly severity: Guardrail['severity'];
  /**
   * `passed`: even the bad end of the interval is within the margin. `violated`: even the good end is beyond it. `open`: neither yet.
   * `missing`: there is nothing to judge by, which is never taken for healthy.
   */
  readonly state: 'passed' | 'violated' | 'open' | 'missing';
}

/**
 * The fast guard: how much likelier the failing units are if the challenger fails more often, than what it is held against.
 * `two_arm`: the champion's units beside it. `one_arm`: what the champion's history allows, where hardly any unit of it is beside.
 */
export type FastGuard = {
  readonly eValue: number;
  readonly threshold: number;
  readonly fired: boolean;
} & ({ readonly kind: 'two_arm' } | ({ readonly kind: 'one_arm' } & OneArmFigures));

/** What a challenger alone is judged by. */
export interface OneArmFigures {
  readonly units: number;
  readonly failingUnits: number;
  /** The share of failing units that is no evidence yet: the champion's at most, and the margin of error_rate. */
  readonly allowedShare: number;
  readonly history: ChampionHistory;
}

/** One challenger in one look. */
export interface Comparison {
  readonly challenger: string;
  readonly arm: number;
  readonly primary: MetricResult | null;
  readonly guardrails: readonly GuardrailResult[];
  /** Null: it is off, or has nothing to go by. */
  readonly fastGuard: FastGuard | null;
  /** Why nothing stands in for the champion now, though the fast guard is wanted; null: something does. */
  readonly unguarded?: string | null;
  readonly verdict: Verdict;
  /** Why, in sentences; the first one is the shortest. */
  readonly reasons: readonly string[];
}

export interface SrmResult {
  /** Of the strongest phase, divided by its part of α (phase-alpha.ts). */
  readonly pValue: number;
  /** The smallest of this look and all before. */
  readonly minPValue: number;
  readonly alpha: number;
  readonly fired: boolean;
  readonly expected: readonly number[];
  readonly observed: readonly number[];
  /** Of a fixed sample, for display. */
  readonly chiSquare: { readonly statistic: number; readonly degreesOfFreedom: number; readonly pValue: number } | null;
}

/** A look at an experiment, as it is kept, shown and acted on. */
export interface Look {
  readonly atMs: number;
  readonly phase: number;
  readonly srm: SrmResult;
  readonly evidence: Evidence;
  readonly units: readonly number[];
  readonly requests: readonly number[];
  /** By metric of the definition and arm. Missing in looks of the releases that did not count them. */
  readonly values?: Readonly<Record<string, readonly ValueCount[]>> | undefined;
  readonly comparisons: readonly Comparison[];
}
