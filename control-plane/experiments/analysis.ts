import { z } from 'zod';
import { amendmentsOf } from '#core/experiments/amendments.ts';
import type { ArmSums, Look, Observation } from '#core/experiments/look.ts';
import { armMean } from '#core/statistics/ratio.ts';
import { type LookRow, lastLook, listLooks } from '#store/experiment-looks.ts';
import { listPhases } from '#store/experiment-phases.ts';
import { armTotals } from '#store/experiments.ts';
import type { Tx } from '#store/pool.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import type { ReadCall } from '../http/operation.ts';
import { decodeCursor, toPage } from '../paging.ts';
import { displayOf } from './display.ts';
import type { AnalysisView, LooksView } from './experiment-schemas.ts';
import { experimentView, requireExperiment } from './experiments.ts';
import { type LookAt, lookNow } from './look-now.ts';
import { phaseUnits } from './observe.ts';

/** How late the feedback of an experiment comes (store/feedback.ts). */
export type LabelDelays = (tx: Tx, experimentId: string) => Promise<Readonly<object>>;

export interface AnalysisDeps {
  readonly lookAt: LookAt;
  readonly labelDelays: LabelDelays;
  readonly clock: { nowMs(): number };
  /** What a look as of now may take. */
  readonly lookLimitMs?: number;
}

const placeSchema = z.int().min(1);

/** An experiment looked at now, beside every look that was kept. @throws Problem `unavailable` (look-now.ts) */
export async function showAnalysis(
  tx: Tx,
  { organizationId, ref, query }: ReadCall<{ limit: number; cursor?: string | undefined }>,
  { lookAt, labelDelays, clock, lookLimitMs }: AnalysisDeps,
): Promise<AnalysisView> {
  const row = await requireExperiment(tx, organizationId, ref);
  const kept = await looksOf(tx, organizationId, row.id, query);
  const { lossWindows, ...looks } = looksView(row, kept, query.limit);
  const now = await lookNow(tx, row, { lookAt, nowMs: clock.nowMs(), limitMs: lookLimitMs });
  const totals = await armTotals(tx, { organizationId, experimentId: row.id });
  const phases = (await listPhases(tx, organizationId, row.id)).map((phase) => phaseUnits(phase, totals));
  return {
    experiment: await experimentView(tx, row),
    look: lookView(now.look),
    stale: now.kind === 'stale' ? now.stale : null,
    amendments: await amendmentsSince(tx, row, now.look),
    metrics: now.kind === 'stale' ? {} : metricsView(now.observation),
    labelDelays: (await labelDelays(tx, row.id)) as AnalysisView['labelDelays'],
    display: displayOf(row.arms.length, phases, totals),
    lossWindows,
    looks,
  };
}

/** Null: it runs, or nobody looked before it ended. */
async function amendmentsSince(tx: Tx, row: RolloutRow, now: Look): Promise<AnalysisView['amendments']> {
  if (row.ended_at === null) return null;
  const last = await lastLook(tx, row.organization_id, row.id);
  return last === undefined ? null : amendmentsOf(last, now);
}

/** The looks that were kept, the newest first, and where log loss came to light between them. Nothing is computed anew. */
export async function listLookPage(
  tx: Tx,
  { organizationId, ref, query }: ReadCall<{ limit: number; cursor?: string | undefined }>,
): Promise<LooksView> {
  const row = await requireExperiment(tx, organizationId, ref);
  return looksView(row, await looksOf(tx, organizationId, row.id, query), query.limit);
}

/** One more than fit on the page. */
function looksOf(
  tx: Tx,
  organizationId: string,
  experimentId: string,
  { cursor, limit }: { limit: number; cursor?: string | undefined },
): Promise<LookRow[]> {
  return listLooks(tx, organizationId, experimentId, { beforeId: decodeCursor(cursor, placeSchema), limit: limit + 1 });
}

function looksView(
  { looks_thinned_before: thinnedBefore }: RolloutRow,
  kept: readonly LookRow[],
  limit: number,
): LooksView {
  const page = toPage(
    kept,
    limit,
    ({ id, look }) => ({ id, look: lookView(look) }),
    ({ id }) => id,
  );
  return {
    ...{ items: [...page.items], nextCursor: page.nextCursor, lossWindows: lossWindows(kept) },
    thinnedBefore: thinnedBefore?.toISOString() ?? null,
  };
}

/** Answers have their own, writable copy. */
function lookView(look: Look): AnalysisView['look'] {
  return structuredClone(look) as AnalysisView['look'];
}

function metricsView({ metrics }: Observation): AnalysisView['metrics'] {
  return Object.fromEntries(
    Object.entries(metrics).map(([metric, phases]) => [
      metric,
      phases.map(({ phase, arms }) => ({ phase, arms: arms.map(meanOf) })),
    ]),
  );
}

function meanOf(sums: ArmSums | null) {
  if (sums === null) return null;
  const found = armMean(sums);
  const standardError = 'kind' in found ? null : Math.sqrt(found.varianceOfMean);
  return { units: sums.units, n: sums.n, mean: sums.sum / sums.n, standardError };
}

/** Times between two looks, the newest first, in which more was lost than before. @param looks the newest first */
export function lossWindows(looks: readonly Pick<LookRow, 'at' | 'look'>[]): AnalysisView['lossWindows'] {
  return looks.slice(1).flatMap((before, index) => {
    const after = looks[index]!;
    const lost = after.look.evidence.lost - before.look.evidence.lost;
    if (lost <= 0) return [];
    return [{ since: before.at.toISOString(), until: after.at.toISOString(), lost }];
  });
}
