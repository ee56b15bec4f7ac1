import { type ReplayFigure, replay } from '#core/replay/replay.ts';
import { checkVariants, isAssigned } from '#core/weights.ts';
import type { VariantRow } from '#store/groups.ts';
import type { Tx } from '#store/pool.ts';
import type { Reading } from '#store/reading.ts';
import { countInferences, type ProposedShare } from '#store/replay.ts';
import type { ReadCall } from '../http/operation.ts';
import { boundedRead } from '../inferences/reading.ts';
import { type Issue, invalid, refuseIssues } from '../problem.ts';
import { requireGroup, variantsOfOne } from './groups.ts';
import type { PlanningDeps } from './planner.ts';
import type { ReplayQuery, ReplayView } from './replay-schemas.ts';
import { holdingsOf, type WantedVariant, withWeights } from './split.ts';

const DAY_MS = 86_400_000;
const MAX_DAYS = 31;
/** More inferences than these are not gone over in the time that somebody waits for; whole units are left out then. */
const MAX_INFERENCES = 250_000;
const READ_MS = 9_000;

/** What proposed weights would have done to a time that is over. */
export async function replayWeights(
  tx: Tx,
  { organizationId, ref, query }: ReadCall<ReplayQuery>,
  { clock, logRows }: PlanningDeps,
): Promise<ReplayView> {
  const group = await requireGroup(tx, organizationId, ref);
  const present = await variantsOfOne(tx, group);
  const wanted = wantedWeights(present, query.weights);
  const window = windowOf(query, clock.nowMs());
  const proposed = proposedShares(present, wanted);
  const read = async ({ run, ask }: Reading): Promise<ReplayView> => {
    const place = { organizationId, groupId: group.id, ...window };
    const count = await run((step) => countInferences(step, { ...place, shareOf256: 256 }));
    const shareOf256 = Math.max(1, Math.min(256, Math.floor((256 * MAX_INFERENCES) / Math.max(1, count))));
    const sample = { ...place, shareOf256 };
    const ingest = {
      latencyObjectiveUs: query.latencyObjectiveMs * 1_000,
      firstTokenObjectiveUs: 3_600_000_000,
      caps: {},
    };
    const cells = await ask((read) => logRows.replayCells(read, sample, proposed, ingest));
    const peaks = await ask((read) => logRows.replayPeaks(read, sample, proposed));
    const share = shareOf256 / 256;
    const { figures, unknown, ...counts } = replay(cells, share);
    const scaled = (side: typeof peaks.before) =>
      side.map((one) => ({
        ...one,
        inferences: Math.round(one.inferences / share),
        tokens: Math.round(one.tokens / share),
      }));
    return {
      group: group.name,
      since: window.since.toISOString(),
      until: window.until.toISOString(),
      weights: Object.fromEntries(wanted.map(({ model, weightBp }) => [model, weightBp])),
      ...counts,
      sampledShare: share,
      figures: {
        costMicroUsd: figures.cost,
        outputTokens: figures.outputTokens,
        errorRate: figures.failures,
        latencyMs: inMs(figures.latency),
        overObjectiveRate: figures.overObjective,
      },
      busiestMinute: { before: scaled(peaks.before), after: scaled(peaks.after) },
      warnings: warningsOf({ count, seen: counts.inferences, unknown, hasCost: figures.cost.before !== null, share }),
    };
  };
  return boundedRead(tx, read, { limitMs: READ_MS, advice: 'ask for a shorter time' });
}

function windowOf({ since, until }: ReplayQuery, nowMs: number): { since: Date; until: Date } {
  const window = { since: new Date(since), until: until === undefined ? new Date(nowMs) : new Date(until) };
  const spanMs = window.until.getTime() - window.since.getTime();
  if (spanMs <= 0) throw invalid([{ field: 'since', message: 'must be before "until"' }]);
  if (spanMs > MAX_DAYS * DAY_MS)
    throw invalid([{ field: 'since', message: `must be at most ${MAX_DAYS} days before "until"` }]);
  return window;
}

function wantedWeights(present: readonly VariantRow[], text: string): WantedVariant[] {
  const pairs = text.split(',').map((pair) => pair.split('=') as [string, string]);
  const named = new Map(pairs.map(([model, weightBp]) => [model, Number(weightBp)]));
  const issues: Issue[] = [];
  for (const [model] of pairs) {
    const variant = present.find((one) => one.model === model || one.model_id === model);
    if (variant === undefined)
      issues.push({ field: 'weights', message: `the group has no variant with the model "${model}"` });
    else if (!isAssigned(variant.role)) {
      issues.push({ field: 'weights', message: `"${model}" is a ${variant.role}, which takes no part in the split` });
    }
  }
  if (named.size !== pairs.length) issues.push({ field: 'weights', message: 'names a model twice' });
  refuseIssues(issues);
  const wanted = withWeights(present, named);
  refuseIssues(checkVariants(wanted, 'weights').map(({ message }) => ({ field: 'weights', message })));
  return wanted;
}

/** The buckets as the change itself would move them. */
function proposedShares(present: readonly VariantRow[], wanted: readonly WantedVariant[]): ProposedShare[] {
  const models = new Map(wanted.map(({ modelId, model }) => [modelId, model]));
  return holdingsOf(present, wanted).map(({ name, ranges }) => ({ variant: models.get(name)!, ranges }));
}

function inMs({ before, after, difference }: ReplayFigure): ReplayFigure {
  const toMs = (one: ReplayFigure['after']) =>
    one === null ? null : { value: one.value / 1_000, lower: one.lower / 1_000, upper: one.upper / 1_000 };
  return { before: before === null ? null : before / 1_000, after: toMs(after), difference: toMs(difference) };
}

function warningsOf(facts: {
  readonly count: number;
  readonly seen: number;
  readonly unknown: readonly string[];
  readonly hasCost: boolean;
  readonly share: number;
}): string[] {
  const { count, seen, unknown, hasCost, share } = facts;
  return [
    ...(seen === 0 && count > 0
      ? [
          `${count} inferences are counted in that time and none is in the log any more: they have expired, or were stored elsewhere.`,
        ]
      : []),
    ...(seen === 0 && count === 0 ? ['There were no inferences in that time.'] : []),
    ...unknown.map((variant) => `"${variant}" had too few units in that time to say what it would do with more.`),
    ...(seen > 0 && !hasCost ? ['No cost is known: give the models prices (meta.prices).'] : []),
    ...(share < 1 ? [`Looked at ${Math.round(share * 1_000) / 10} % of the units, to be done in time.`] : []),
  ];
}
