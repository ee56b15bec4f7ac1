import type { Look } from '#core/experiments/look.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { isAssigned } from '#core/weights.ts';
import { lastLooks } from '#store/experiment-looks.ts';
import { variantsOf } from '#store/groups.ts';
import type { Tx } from '#store/pool.ts';
import { countByState, rolloutFacts } from '#store/rollout-facts.ts';
import { runningRollouts } from '#store/rollouts.ts';
import { type RunningRollout, writeRolloutMetrics } from './rollout-exposition.ts';

/** What Prometheus scrapes of an organization's rollouts, in its text format (version 0.0.4). */
export async function rolloutMetrics(tx: Tx, organizationId: string, nowMs: number): Promise<string> {
  const rows = await runningRollouts(tx, organizationId);
  const ids = rows.map(({ id }) => id);
  const facts = await rolloutFacts(tx, organizationId, ids);
  const looks = await lastLooks(tx, organizationId, ids);
  const variants = await variantsOf(
    tx,
    organizationId,
    rows.map(({ group_id }) => group_id),
  );
  const running = rows.map((row): RunningRollout => {
    const { group, lastLookAt } = facts.get(row.id)!;
    const { pause, sinceMs } = rolloutMemorySchema.parse(row.memory);
    const secondsSince = (ms: number) => Math.max(0, nowMs - ms) / 1_000;
    return {
      ...{ group, name: row.name, state: row.state, strategy: row.plan.strategy.kind, dryRun: row.plan.dryRun },
      pauseCause: pause?.cause ?? null,
      inStateS: secondsSince(sinceMs),
      // Before the first look: since the start, so that looks that never come are seen.
      sinceLookS: secondsSince((lastLookAt ?? row.started_at ?? row.created_at).getTime()),
      seen: seenIn(looks.get(row.id)),
      weights: (variants.get(row.group_id) ?? [])
        .filter(({ role }) => isAssigned(role))
        .map(({ model, role, weight_bp }) => ({ model, role, weightBp: weight_bp })),
    };
  });
  return writeRolloutMetrics(running, await countByState(tx, organizationId));
}

function seenIn(look: Look | undefined): RunningRollout['seen'] {
  if (look === undefined) return null;
  const { srm, comparisons } = look;
  return {
    ...{ splitP: srm.minPValue, isSplitBroken: srm.fired },
    verdicts: comparisons.map(({ challenger, verdict }) => ({ challenger, verdict })),
  };
}
