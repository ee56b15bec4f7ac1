import type { SplitInForce, StepOutcome, StepUnits } from '#store/split-figures.ts';

/** What a stretch of time is judged from. */
export interface StepFacts {
  readonly fromMs: number;
  readonly toMs: number;
  /** The splits that were in force in it, in order; the first may have begun before. */
  readonly splits: readonly SplitInForce[];
  readonly outcomes: readonly StepOutcome[];
  /** Null: its rows cannot be looked at. */
  readonly units: StepUnits | null;
}

/** What became of the inferences that a split gave to a variant. The counts of `became` sum up to `assigned`. */
export interface VariantTruth {
  readonly model: string;
  /** Basis points of 10 000, weighted by time where they changed. */
  readonly configuredBp: number;
  readonly assigned: number;
  /** Of all that were assigned. */
  readonly assignedShare: number;
  /** Answers of this variant that reached a caller, whoever was assigned. */
  readonly served: number;
  /** Of all that were served. */
  readonly servedShare: number;
  /** By how much chance moves `assignedShare`: one standard deviation, given how the requests spread over units; null: not known. */
  readonly deviation: number | null;
  readonly became: {
    readonly servedAssigned: number;
    /** By the variant that answered instead. */
    readonly fallback: Readonly<Record<string, number>>;
    /** By error code. */
    readonly errors: Readonly<Record<string, number>>;
    readonly clientClosed: number;
    readonly interrupted: number;
    /** Sessions that one account served whole: they count for no variant. */
    readonly pinned: number;
  };
}

export const SPLIT_REASONS = [
  ...(['weights_changed', 'older_snapshot', 'heavy_unit', 'few_units', 'units_unknown', 'unexplained'] as const),
  ...(['fallback', 'error', 'client_closed', 'interrupted', 'pinned'] as const),
] as const;

/** Why a share is not what one would expect. */
export interface SplitReason {
  readonly difference: 'assigned' | 'served';
  readonly code: (typeof SPLIT_REASONS)[number];
  readonly variant: string | null;
  /** Inferences that it concerns; null: it has no count. */
  readonly count: number | null;
  readonly detail: string;
}

export interface StepTruth {
  readonly fromMs: number;
  readonly toMs: number;
  readonly requests: number;
  readonly units: number | null;
  readonly variants: readonly VariantTruth[];
  readonly reasons: readonly SplitReason[];
}

/** Beyond so many standard deviations chance is no explanation (0.3 % of the time it would be). */
const CHANCE_DEVIATIONS = 3;
/** A unit with such a part of the requests decides the shares by itself. */
const HEAVY_SHARE = 0.2;

/** Puts the configured, the assigned and the served share of a stretch of time beside one another, and says why they differ. */
export function truthOf(facts: StepFacts): StepTruth {
  const { fromMs, toMs, outcomes, units } = facts;
  const configured = configuredShares(facts);
  const requests = outcomes.reduce((sum, { count, interrupted }) => sum + count + interrupted, 0);
  const served = outcomes.reduce((sum, outcome) => sum + (outcome.served === null ? 0 : outcome.count), 0);
  const models = new Set([
    ...configured.keys(),
    ...outcomes.flatMap(({ assigned, served }) => (served === null ? [assigned] : [assigned, served])),
  ]);
  const variants = [...models].map((model) =>
    variantTruth(model, configured.get(model) ?? 0, facts, { requests, served }),
  );
  const reasons = requests === 0 ? [] : [...assignedReasons(facts, variants, requests), ...servedReasons(variants)];
  return { fromMs, toMs, requests, units: units?.units ?? null, variants, reasons };
}

/** By model, in the order of the variants: the share of the buckets that it had on average. */
function configuredShares({ fromMs, toMs, splits }: StepFacts): Map<string, number> {
  const shares = new Map<string, number>();
  const begun = splits.filter(({ from }) => from.getTime() < toMs);
  const startMs = Math.max(fromMs, begun[0]?.from.getTime() ?? fromMs);
  for (const [index, { from, variants }] of begun.entries()) {
    const beginsMs = Math.max(startMs, from.getTime());
    const endsMs = begun[index + 1]?.from.getTime() ?? toMs;
    const part = Math.max(0, endsMs - beginsMs) / (toMs - startMs);
    if (part === 0) continue;
    for (const { model, weightBp } of variants)
      shares.set(model, (shares.get(model) ?? 0) + (part * weightBp) / 10_000);
  }
  return shares;
}

function variantTruth(
  model: string,
  configured: number,
  { outcomes, units }: StepFacts,
  total: { readonly requests: number; readonly served: number },
): VariantTruth {
  const own = outcomes.filter(({ assigned }) => assigned === model);
  const assigned = own.reduce((sum, { count, interrupted }) => sum + count + interrupted, 0);
  const served = outcomes.reduce((sum, outcome) => sum + (outcome.served === model ? outcome.count : 0), 0);
  const spread = units === null || units.requests === 0 ? null : Math.sqrt(units.squares) / units.requests;
  return {
    ...{ model, configuredBp: configured * 10_000, assigned, served },
    assignedShare: total.requests === 0 ? 0 : assigned / total.requests,
    servedShare: total.served === 0 ? 0 : served / total.served,
    deviation: spread === null ? null : Math.sqrt(configured * (1 - configured)) * spread,
    became: becameOf(own),
  };
}

function becameOf(own: readonly StepOutcome[]): VariantTruth['became'] {
  const became = {
    ...{ servedAssigned: 0, clientClosed: 0, interrupted: 0, pinned: 0 },
    fallback: {} as Record<string, number>,
    errors: {} as Record<string, number>,
  };
  for (const { assigned, served, errorCode, count, interrupted } of own) {
    became.interrupted += interrupted;
    if (count === 0) continue;
    if (served === assigned) became.servedAssigned += count;
    else if (served !== null) became.fallback[served] = (became.fallback[served] ?? 0) + count;
    else if (errorCode === null) became.pinned += count;
    else if (errorCode === 'client_closed') became.clientClosed += count;
    else became.errors[errorCode] = (became.errors[errorCode] ?? 0) + count;
  }
  return became;
}

function assignedReasons(facts: StepFacts, variants: readonly VariantTruth[], requests: number): SplitReason[] {
  const { fromMs, toMs, splits, units } = facts;
  const differs = variants.filter(
    ({ assigned, configuredBp }) => Math.abs(assigned - (configuredBp / 10_000) * requests) >= 1,
  );
  if (differs.length === 0) return [];
  const reasons: SplitReason[] = [];
  const add = (code: SplitReason['code'], variant: string | null, count: number | null, detail: string) =>
    reasons.push({ difference: 'assigned', code, variant, count, detail });
  const changes = splits.filter(({ from }) => from.getTime() > fromMs && from.getTime() < toMs).length;
  if (changes > 0) {
    add(
      'weights_changed',
      null,
      changes,
      `The split changed ${times(changes)} in this time; requests need not have come evenly.`,
    );
  }
  if (units === null) {
    add(
      'units_unknown',
      null,
      null,
      'How many units there were is not known: the rows of this time cannot be looked at.',
    );
    return reasons;
  }
  if (units.stale > 0) {
    const detail = `${units.stale} requests at ${gateways(units.staleGateways)} were assigned by a split older than the one in force.`;
    add('older_snapshot', null, units.stale, detail);
  }
  if (units.requests > 0 && units.heaviest / units.requests >= HEAVY_SHARE && units.units > 1) {
    const detail = `One unit made ${perCent(units.heaviest / units.requests)} of the requests, and all its requests go to one variant.`;
    add('heavy_unit', units.heaviestVariant, units.heaviest, detail);
  }
  const explained = reasons.some(({ code }) => code !== 'heavy_unit');
  for (const variant of differs) {
    const reason = byChance(variant, units, explained);
    if (reason !== null) reasons.push(reason);
  }
  return reasons;
}

/** Heavy units are part of the deviation, so what is beyond it needs another explanation. */
function byChance(
  { model, assignedShare, configuredBp, deviation }: VariantTruth,
  { units }: StepUnits,
  explained: boolean,
): SplitReason | null {
  const away = Math.abs(assignedShare - configuredBp / 10_000);
  const of = { difference: 'assigned', variant: model } as const;
  if (deviation !== null && away <= CHANCE_DEVIATIONS * deviation) {
    const detail =
      `With ${units} units a share of ${perCent(configuredBp / 10_000)} moves by ${perCent(deviation)} by chance (one standard ` +
      `deviation); ${perCent(assignedShare)} is ${(away / deviation).toFixed(1)} of these away.`;
    return { ...of, code: 'few_units', count: units, detail };
  }
  if (explained) return null;
  const detail =
    `${perCent(assignedShare)} were assigned where ${perCent(configuredBp / 10_000)} were configured, which neither chance among ` +
    `${units} units nor a change of the split explains. Do clients send one unit under several names, or choose it by the answer?`;
  return { ...of, code: 'unexplained', count: null, detail };
}

function servedReasons(variants: readonly VariantTruth[]): SplitReason[] {
  return variants.flatMap(({ model, became }) => {
    const reason = (code: SplitReason['code'], count: number, detail: string): SplitReason[] =>
      count === 0 ? [] : [{ difference: 'served', code, variant: model, count, detail }];
    return [
      ...Object.entries(became.fallback).flatMap(([by, count]) =>
        reason('fallback', count, `${count} that were assigned to ${model} were answered by ${by}.`),
      ),
      ...Object.entries(became.errors).flatMap(([code, count]) =>
        reason('error', count, `${count} that were assigned to ${model} got no answer: ${code}.`),
      ),
      ...reason(
        'client_closed',
        became.clientClosed,
        `${became.clientClosed} callers left before there was an answer.`,
      ),
      ...reason('interrupted', became.interrupted, `${became.interrupted} were cut off by the end of their gateway.`),
      ...reason('pinned', became.pinned, `${became.pinned} are sessions of one account, which count for no variant.`),
    ];
  });
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

function gateways(count: number): string {
  return count === 1 ? 'one gateway' : `${count} gateways`;
}

function perCent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
