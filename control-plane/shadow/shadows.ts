import type { ArmSums } from '#core/experiments/look.ts';
import { describeMeasure } from '#core/shadow/measures.ts';
import { rankCorrelation } from '#core/shadow/rank-correlation.ts';
import { stabilityIndex } from '#core/shadow/stability-index.ts';
import { pairedDifference } from '#core/statistics/mean-difference.ts';
import type { Tx } from '#store/pool.ts';
import {
  evaluationProblems,
  givenUpReasons,
  type MeasureSums,
  measureSums,
  type OutputMeans,
  outputMeans,
  type PairFilter,
  pairCounts,
} from '#store/shadow-sums.ts';
import type { Clock } from '../clock.ts';
import { requireGroup } from '../groups/groups.ts';
import type { ReadCall } from '../http/operation.ts';
import { boundedRead } from '../inferences/reading.ts';
import { invalid } from '../problem.ts';
import type { ShadowsQuery, ShadowsView } from './shadow-schemas.ts';

type MeasureView = ShadowsView['shadows'][number]['measures'][number];

const DEFAULT_SPAN_MS = 7 * 86_400_000;
/** Ranking more takes longer than anybody waits. */
const RANKED_PAIRS = 10_000;

/** The mirrored calls of a group against the inferences that they mirror: paired statistics by shadow, as of now. */
export async function showShadows(
  tx: Tx,
  { organizationId, ref, query }: ReadCall<ShadowsQuery>,
  clock: Clock,
): Promise<ShadowsView> {
  const group = await requireGroup(tx, organizationId, ref);
  const until = new Date(clock.nowMs());
  const since = query.since === undefined ? new Date(until.getTime() - DEFAULT_SPAN_MS) : new Date(query.since);
  if (since >= until) throw invalid([{ field: 'since', message: 'is not in the past' }]);
  const filter: PairFilter = { organizationId, groupId: group.id, since, experimentId: query.experiment };
  const found = await boundedRead(tx, async (reading) => ({
    counts: await reading.run((bounded) => pairCounts(bounded, filter)),
    problems: await reading.run((bounded) => evaluationProblems(bounded, filter)),
    reasons: await reading.run((bounded) => givenUpReasons(bounded, filter)),
    sums: await reading.run((bounded) => measureSums(bounded, filter)),
    outputs: await reading.run((bounded) => outputMeans(bounded, filter, RANKED_PAIRS)),
  }));
  return {
    ...{ group: group.name, groupId: group.id, since: since.toISOString(), until: until.toISOString() },
    ...{ alpha: query.alpha, plannedUnits: query.plannedUnits },
    shadows: found.counts.map(({ model, ...counts }) => ({
      model,
      pairs: { pending: counts.pending, compared: counts.compared, givenUp: counts.givenUp },
      givenUp: found.reasons.filter((one) => one.model === model).map(({ reason, pairs }) => ({ reason, pairs })),
      firstAt: counts.firstAt.toISOString(),
      lastAt: counts.lastAt.toISOString(),
      failures: {
        ...{ pairs: counts.judged, original: counts.originalFailed },
        ...{ shadow: counts.shadowFailed, both: counts.bothFailed },
      },
      evaluations: {
        ...{ pending: counts.unscored, scored: counts.scored, failed: counts.unscorable },
        lastProblem: found.problems.find((one) => one.model === model)?.detail ?? null,
      },
      measures: found.sums.filter((one) => one.model === model).map((one) => measureView(one, query)),
      outputs: found.outputs.filter((one) => one.model === model).map(outputView),
    })),
  };
}

function measureView({ measure, pairs, sums }: MeasureSums, query: ShadowsQuery): MeasureView {
  const { kind, about } = describeMeasure(measure);
  const frame = { measure, kind, about, pairs, units: sums?.units ?? 0, mean: meanOf(sums) };
  const nothing = { standardError: null, lower: null, upper: null, pValue: null };
  if (sums === null) return { ...frame, ...nothing, why: 'the values are too large to be summed' };
  const found = pairedDifference({ differences: sums, alpha: query.alpha, plannedN: query.plannedUnits });
  switch (found.kind) {
    case 'estimate': {
      const { standardError, lower, upper, pValue } = found;
      return { ...frame, standardError, lower, upper, pValue: kind === 'difference' ? pValue : null, why: null };
    }
    case 'insufficient':
      return { ...frame, ...nothing, why: found.detail.replace('an arm', 'the shadow') };
    case 'refused':
      return { ...frame, ...nothing, why: `${found.field} ${found.reason}` };
    default:
      return found satisfies never;
  }
}

function meanOf(sums: ArmSums | null): number | null {
  return sums === null || sums.n === 0 ? null : sums.sum / sums.n;
}

function outputView({ output, original, shadow }: OutputMeans): ShadowsView['shadows'][number]['outputs'][number] {
  return {
    ...{ output, pairs: original.length },
    rankCorrelation: rankCorrelation(original, shadow),
    stabilityIndex: stabilityIndex(original, shadow),
  };
}
