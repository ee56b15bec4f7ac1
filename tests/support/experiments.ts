import { randomUUID } from 'node:crypto';
import type { Ingest } from '#core/experiments/definition.ts';
import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { SUM_COLUMNS } from '#inference-log/experiment-measures.ts';
import type { ExperimentCounts } from '#inference-log/experiments.ts';
import type { Db } from '#store/pool.ts';

export const INGEST: Ingest = { latencyObjectiveUs: 5_000, firstTokenObjectiveUs: 1_000, caps: {} };

/** Puts an organization and a group there, as far as foreign keys want them. */
export async function plantGroup(db: Db, organizationId: string, groupId: string): Promise<void> {
  await db
    .insertInto('organizations')
    .values({ id: organizationId, name: `o-${organizationId}` })
    .execute();
  const salt = '00'.repeat(16);
  const json = { capture: '{}', log: '{}' };
  await db
    .insertInto('groups')
    .values({ id: groupId, organization_id: organizationId, name: 'group', description: '', salt, ...json })
    .execute();
}

/** Puts a rollout there that has started, and ends the one that ran in its group. @returns its id, which is the experiment's */
export async function plantRollout(
  db: Db,
  place: { readonly organizationId: string; readonly groupId: string },
  changes: { readonly ingest?: Ingest; readonly startedAt?: Date | null; readonly endedAt?: Date } = {},
): Promise<string> {
  const id = randomUUID();
  await db
    .updateTable('rollouts')
    .set({ ended_at: new Date() })
    .where('group_id', '=', place.groupId)
    .where('ended_at', 'is', null)
    .execute();
  const { ingest = INGEST, startedAt = new Date(), endedAt = null } = changes;
  await db
    .insertInto('rollouts')
    .values({
      ...{ id, organization_id: place.organizationId, group_id: place.groupId, name: `r-${id}`, state: 'ramping' },
      ...{ definition: JSON.stringify(experimentDefinitionSchema.parse({})), plan: '{}', arms: '[]' },
      ...{ ingest: JSON.stringify(ingest), started_at: startedAt, ended_at: endedAt },
    })
    .execute();
  return id;
}

/** What the tables hold of an experiment, without which gateway added it. */
export async function storedCounts(db: Db, experimentId: string) {
  const units = await db.selectFrom('experiment_units').selectAll().where('experiment_id', '=', experimentId).execute();
  const totals = await db
    .selectFrom('experiment_totals')
    .selectAll()
    .where('experiment_id', '=', experimentId)
    .execute();
  const inferences = await db
    .selectFrom('experiment_inferences')
    .selectAll()
    .where('experiment_id', '=', experimentId)
    .execute();
  const arms = [...Map.groupBy(totals, ({ phase, arm }) => `${phase}/${arm}`)].map(([arm, some]) => {
    const sum = (of: (one: (typeof some)[number]) => number) => some.reduce((total, one) => total + of(one), 0);
    return {
      arm,
      units: sum((one) => one.units),
      failingUnits: sum((one) => one.failing_units),
      requests: sum((one) => one.requests),
      failures: sum((one) => one.failures),
      latencies: sum((one) => Object.values(one.latency).reduce((total, count) => total + count, 0)),
      lastAtMs: Math.max(...some.map((one) => one.last_at.getTime())),
    };
  });
  return {
    units: units
      .map((row) => ({
        key: `${row.phase}/${row.arm}/${row.unit}`,
        firstAtMs: row.first_at.getTime(),
        sums: Object.fromEntries(SUM_COLUMNS.map((column) => [column, row[column]])),
      }))
      .sort((a, b) => (a.key < b.key ? -1 : 1)),
    arms: arms.sort((a, b) => (a.arm < b.arm ? -1 : 1)),
    inferences: inferences.map((row) => row.inference_id).sort(),
  };
}

/** What they should hold. */
export function expectedCounts({
  units,
  totals,
  inferences,
}: ExperimentCounts): Awaited<ReturnType<typeof storedCounts>> {
  const arms = totals.map(({ phase, arm, requests, failures, latency, lastAtMs }) => {
    const own = units.filter((unit) => unit.phase === phase && unit.arm === arm);
    return {
      arm: `${phase}/${arm}`,
      units: own.length,
      failingUnits: own.filter(({ sums }) => sums.failures > 0).length,
      ...{ requests, failures, latencies: Object.values(latency).reduce((total, count) => total + count, 0), lastAtMs },
    };
  });
  return {
    units: units
      .map(({ phase, arm, unit, firstAtMs, sums }) => ({ key: `${phase}/${arm}/${unit}`, firstAtMs, sums }))
      .sort((a, b) => (a.key < b.key ? -1 : 1)),
    arms: arms.sort((a, b) => (a.arm < b.arm ? -1 : 1)),
    inferences: inferences.map(({ id }) => id).sort(),
  };
}

/** Rows of a few units in a few arms, of which some failed; the same for the same seed, but for their ids. */
export function drawIn(
  seed: number,
  count: number,
): readonly { unit: string; phase: number; arm: number; fails: boolean; us: number }[] {
  let state = (seed % 2_147_483_646) + 1;
  const draw = (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  return Array.from({ length: count }, () => ({
    ...{ unit: `user-${draw(12)}`, phase: 1 + draw(2), arm: draw(2), fails: draw(5) === 0, us: draw(9_000) },
  }));
}
