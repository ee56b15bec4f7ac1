import { alphaOfChallenger, formAlphas } from '#core/experiments/alpha.ts';
import type { ArmSums } from '#core/experiments/look.ts';
import { kindOf } from '#core/experiments/metric-spec.ts';
import { daysFor, type UnitGrowth, unitGrowth, unitsIn } from '#core/experiments/unit-growth.ts';
import { MIN_UNITS_PER_ARM } from '#core/statistics/mean-difference.ts';
import {
  championShareOf,
  minimumDetectableEffect,
  type PerTest,
  type PlanBasis,
  requiredUnits,
  requiredWeight,
} from '#core/statistics/planner.ts';
import { ratioVariance } from '#core/statistics/ratio.ts';
import type { LogRows } from '#store/log-rows.ts';
import type { Tx } from '#store/pool.ts';
import type { Reading } from '#store/reading.ts';
import type { Clock } from '../clock.ts';
import type { ReadCall } from '../http/operation.ts';
import { boundedRead } from '../inferences/reading.ts';
import { invalid } from '../problem.ts';
import { requireGroup, variantsOfOne } from './groups.ts';
import type { PlannerQuery, PlannerView } from './planner-schemas.ts';

const DAY_MS = 86_400_000;
const READ_MS = 9_000;
const CURVE_DAYS = [1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 56, 84];
const ALL_BP = 10_000;
const DEFAULT_DAYS = 14;
/** What the definition of an experiment takes for `plannedUnits`. */
const [LEAST_PLANNED, MOST_PLANNED] = [2 * MIN_UNITS_PER_ARM, 1_000_000_000];
const NONE: PerTest<null> = { fixed: null, sequence: null, sequenceTypical: null };

/** What planning and replay need. */
export interface PlanningDeps {
  readonly clock: Clock;
  readonly logRows: LogRows;
}

/** Effect ↔ duration ↔ weight of an experiment that has not begun, from the group's own traffic and variance. */
export async function planExperiment(
  tx: Tx,
  { organizationId, ref, query }: ReadCall<PlannerQuery>,
  { clock, logRows }: PlanningDeps,
): Promise<PlannerView> {
  const nowMs = clock.nowMs();
  const weightBp = weightOf(query);
  const group = await requireGroup(tx, organizationId, ref);
  const champion = (await variantsOfOne(tx, group)).find(({ role }) => role === 'champion')?.model;
  if (champion === undefined) throw invalid([{ field: 'name', message: 'the group has no variants yet' }]);
  const window = {
    organizationId,
    groupId: group.id,
    since: new Date(nowMs - query.historyDays * DAY_MS),
    until: new Date(nowMs),
  };
  const objectives = {
    latencyObjectiveUs: query.latencyObjectiveMs * 1_000,
    firstTokenObjectiveUs: query.firstTokenObjectiveMs * 1_000,
  };
  const read = async ({ ask }: Reading): Promise<PlannerView> => {
    const traffic = await ask((read) => logRows.unitTraffic(read, window));
    const sums = await ask((read) => logRows.variantSums(read, window, champion, query.metric, objectives));
    const days = traffic.firstAt === null ? 0 : (nowMs - traffic.firstAt.getTime()) / DAY_MS;
    const growth = unitGrowth(traffic.units, traffic.unitDays, days);
    const known = { days, inferences: traffic.inferences, units: traffic.units };
    return { group: group.name, ...planOf({ ...query, weightBp }, champion, sums, growth, known) };
  };
  return boundedRead(tx, read, { limitMs: READ_MS, field: 'historyDays', advice: 'ask for fewer days' });
}

/** Where it is left out, that of arms that are all alike. @returns undefined: it is what is asked for */
function weightOf({ weightBp, challengers, effect, days }: PlannerQuery): number | undefined {
  if (weightBp === undefined) {
    return effect !== undefined && days !== undefined ? undefined : Math.floor(ALL_BP / (challengers + 1));
  }
  if (weightBp * challengers < ALL_BP) return weightBp;
  const message = `${challengers} challengers of ${weightBp} leave the champion nothing: together they have less than ${ALL_BP}`;
  throw invalid([{ field: 'weightBp', message }]);
}

interface KnownTraffic {
  readonly days: number;
  readonly inferences: number;
  readonly units: number;
}

function planOf(
  query: PlannerQuery,
  model: string,
  sums: ArmSums | null,
  growth: UnitGrowth | null,
  known: KnownTraffic,
): Omit<PlannerView, 'group'> {
  const { metric, relative, comparison, power } = query;
  const asked = query.effect === undefined ? 'effect' : query.days === undefined ? 'days' : 'weightBp';
  const traffic = {
    ...known,
    unitsPerDay: growth?.unitsPerDay ?? 0,
    returning: growth === null ? 0 : 1 - growth.exponent,
  };
  const mean = sums === null || sums.n === 0 ? null : sums.sum / sums.n;
  const unitVariance = sums === null || sums.units < 2 || sums.n === 0 ? null : ratioVariance(sums);
  const champion = { model, units: sums?.units ?? 0, mean, variancePerUnit: unitVariance };
  const common = { metric, relative, traffic, champion, asked } as const;
  const trouble = troubleOf(query, sums, growth, mean, unitVariance);
  if (trouble !== null || growth === null || unitVariance === null || mean === null) {
    return {
      ...common,
      effect: NONE,
      days: NONE,
      weightBp: NONE,
      units: NONE,
      plannedUnits: null,
      curve: [],
      warnings: trouble === null ? [] : [trouble],
    };
  }
  const variance = relative ? unitVariance / (mean * mean) : unitVariance;
  const { challengers } = query;
  const alpha = alphaOfChallenger(query.alpha, challengers);
  const sequenceAlpha = formAlphas(kindOf(metric), alpha).sequence;
  const basis = { variance, alpha, sequenceAlpha, power, champion: comparison, challengers };
  const weightBp = query.weightBp ?? Math.floor(ALL_BP / (challengers + 1));
  const curve = CURVE_DAYS.map((days) => ({
    ...{ days, units: unitsIn(growth, days) },
    effect: effectIn({ basis, growth, days, weightBp }),
  }));
  const answers = answersOf({ basis, growth, days: query.days ?? DEFAULT_DAYS, weightBp }, query.effect, asked);
  const plannedUnits = plannedUnitsOf(basis, answers);
  return { ...common, ...answers, plannedUnits, curve, warnings: warningsOf(query, sums!, known) };
}

/**
 * N* of the plan: the units that champion and challenger have at its end, for which the sequence's figures were computed. An experiment with another one
 * needs more: at 100 000 units, a sixth more if its N* is 5 000.
 */
function plannedUnitsOf(basis: PlanBasis, { units, weightBp }: Answers): number | null {
  if (units.sequence === null || weightBp.sequence === null) return null;
  const share = shareOf({ basis, weightBp: weightBp.sequence });
  const ofBoth = Math.round(units.sequence * (share + championShareOf(basis, share)));
  return Math.min(MOST_PLANNED, Math.max(LEAST_PLANNED, ofBoth));
}

/** How long, and with which weight: what all three questions share. */
interface Layout {
  readonly basis: PlanBasis;
  readonly growth: UnitGrowth;
  readonly days: number;
  readonly weightBp: number;
}

type Answers = Pick<PlannerView, 'effect' | 'days' | 'weightBp' | 'units'>;

/** What was given stays as it is, and what was left out is computed. @param effect given, unless it is what is asked for */
function answersOf(layout: Layout, effect: number | undefined, asked: PlannerView['asked']): Answers {
  const { basis, growth, days, weightBp } = layout;
  const units = unitsIn(growth, days);
  switch (asked) {
    case 'effect':
      return { effect: effectIn(layout), days: same(days), weightBp: same(weightBp), units: same(units) };
    case 'days': {
      const found = requiredUnits({ ...basis, challengerShare: shareOf(layout), effect: effect! });
      const needed = found.kind === 'refused' ? NONE : mapTests(found, (one) => one.units);
      return {
        ...{ effect: same(effect!), weightBp: same(weightBp), units: needed },
        days: mapTests(needed, (count) => (count === null ? null : daysFor(growth, count))),
      };
    }
    case 'weightBp': {
      const found = requiredWeight({ ...basis, effect: effect!, unitsPerDay: units / days, days });
      const share = found.kind === 'refused' ? NONE : found;
      return {
        ...{ effect: same(effect!), days: same(days), units: same(units) },
        weightBp: mapTests(share, (one) => (one === null ? null : Math.ceil(one * ALL_BP))),
      };
    }
    default:
      return asked satisfies never;
  }
}

function effectIn(layout: Layout): PerTest<number | null> {
  const { basis, growth, days } = layout;
  const found = minimumDetectableEffect({ ...basis, challengerShare: shareOf(layout), units: unitsIn(growth, days) });
  return found.kind === 'refused' ? NONE : mapTests(found, (effect) => effect);
}

/** Of equal slices none is larger than what the champion has left: a challenger with more is compared with all of that. */
function shareOf({ weightBp, basis }: Pick<Layout, 'weightBp' | 'basis'>): number {
  const share = weightBp / ALL_BP;
  return basis.champion === 'equal' ? Math.min(share, (ALL_BP - (basis.challengers ?? 1) * weightBp) / ALL_BP) : share;
}

function troubleOf(
  { metric, relative }: PlannerQuery,
  sums: ArmSums | null,
  growth: UnitGrowth | null,
  mean: number | null,
  variance: number | null,
): string | null {
  if (growth === null) return 'There was no traffic in that time: there is nothing to plan from.';
  if (sums === null) return `The values of "${metric}" are too large to be added up.`;
  if (mean === null) return `Nothing reported "${metric}" of the champion in that time.`;
  if (variance === null) return 'A single unit came in that time: how much units differ is not known.';
  if (variance === 0) return `"${metric}" was the same for all units: no number of units can be computed from that.`;
  // A variance beyond doubles is that of a mean next to 0.
  if (relative && !Number.isFinite(variance / (mean * mean)))
    return `The mean of "${metric}" is 0, so that no effect can be relative to it; ask with relative=false.`;
  return null;
}

function warningsOf({ metric, historyDays }: PlannerQuery, sums: ArmSums, known: KnownTraffic): string[] {
  return [
    ...(sums.units < MIN_UNITS_PER_ARM
      ? [`Only ${sums.units} units of the champion reported "${metric}": the variance is a rough guess.`]
      : []),
    ...(known.days < Math.min(1.5, historyDays)
      ? ['The traffic is younger than a day and a half: how many units come back is not known, and none is taken to.']
      : []),
  ];
}

function same(value: number): PerTest<number> {
  return { fixed: value, sequence: value, sequenceTypical: value };
}

function mapTests<From, To>({ fixed, sequence, sequenceTypical }: PerTest<From>, of: (value: From) => To): PerTest<To> {
  return { fixed: of(fixed), sequence: of(sequence), sequenceTypical: of(sequenceTypical) };
}
