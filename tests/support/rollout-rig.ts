import { randomUUID } from 'node:crypto';
import { command } from '#control-plane/rollout/commands.ts';
import {
  createRolloutEngine,
  ENGINE_CONNECTIONS,
  type RolloutEngine,
  type RolloutEngineDeps,
} from '#control-plane/rollout/engine.ts';
import { publishStep } from '#control-plane/rollout/publish-step.ts';
import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import type { Look, Observation } from '#core/experiments/look.ts';
import { rolloutPlanSchema } from '#core/rollout/plan.ts';
import type { CommandKind, ShadowPairs } from '#core/rollout/step.ts';
import type { SnapshotDocument } from '#core/snapshot/schema.ts';
import { createPool, type Db, inOrganization, type Tx } from '#store/pool.ts';
import { POSTGRES_ROLLOUT_PAST } from '#store/postgres-log-rows.ts';
import { findRollout, insertRollout, type RolloutRow } from '#store/rollouts.ts';
import { seedGroup, startTestControlPlane } from './control-plane.ts';
import { lookOf } from './rollout-looks.ts';

const START_MS = Date.UTC(2026, 0, 5);
const NOTHING_SEEN: Observation = {
  ...{ atMs: 0, arms: [], phase: 1, phases: [], metrics: {}, minSrmP: 1 },
  evidence: { lost: 0, underWay: 0, lastAtMs: null, broken: [] },
};

/** Rollouts on a real database, with an engine whose clock and looks the test sets. The control plane's own engine sleeps, unless it is told how often. */
export async function createRolloutRig(rolloutsMs = 86_400_000) {
  const control = await startTestControlPlane({ jobTimes: { rolloutsMs, leaderRetryMs: 50 } });
  const api = await control.owner('acme');
  await seedGroup(api);
  const { organizationId } = api;
  const leaderDb = createPool({
    ...{ databaseUrl: control.databaseUrl, role: 'leader', maxConnections: 2, applicationName: 'test' },
  });
  const db = createPool({
    ...{
      databaseUrl: control.databaseUrl,
      role: 'application',
      maxConnections: ENGINE_CONNECTIONS,
      applicationName: 'test',
    },
  });
  const logged: string[] = [];
  /** What the test sets. */
  const world = {
    nowMs: START_MS,
    look: lookOf({ b: {} }),
    /** What the fast guard sees between two looks. */
    glance: lookOf({ b: {} }),
    pairs: [] as readonly (ShadowPairs | null)[],
  };
  const inTx = <Result>(work: (tx: Tx) => Promise<Result>, on: Db = db) => inOrganization(on, organizationId, work);
  const modelIds = async (names: readonly string[]) => {
    const rows = await control.admin
      .selectFrom('models')
      .select(['id', 'name'])
      .where('organization_id', '=', organizationId)
      .execute();
    return names.map((name) => ({ modelId: rows.find((row) => row.name === name)!.id, model: name }));
  };
  const groupId = async (name: string): Promise<string> =>
    (await control.admin.selectFrom('groups').select('id').where('name', '=', name).executeTakeFirstOrThrow()).id;

  const rig = {
    ...{ control, api, db, leaderDb, organizationId, world, logged, inTx, groupId, nothingSeen: NOTHING_SEEN },
    engine(on: Db = db, changes: Partial<RolloutEngineDeps> = {}): RolloutEngine {
      return createRolloutEngine({
        ...{
          db: on,
          leaderDb,
          clock: { nowMs: () => world.nowMs },
          random: () => 0,
          log: (line: string) => logged.push(line),
        },
        observe: async () => NOTHING_SEEN,
        observeTotals: async () => ({ ...NOTHING_SEEN, atMs: -1 }),
        lookAt: (_, { atMs }): Look => ({ ...(atMs === -1 ? world.glance : world.look), atMs: world.nowMs }),
        shadowPairs: async () => world.pairs,
        past: POSTGRES_ROLLOUT_PAST,
        ...changes,
      });
    },
    /** A draft that moves traffic of `demo`, of which `a` has 90 % and `b` 10 %. */
    async draft(
      plan: object,
      given: { definition?: object; arms?: readonly string[]; group?: string } = {},
    ): Promise<RolloutRow> {
      const {
        definition = { primary: { metric: 'score', direction: 'increase' } },
        arms = ['a', 'b'],
        group = 'demo',
      } = given;
      const row = {
        ...{
          id: randomUUID(),
          organization_id: organizationId,
          group_id: await groupId(group),
          state: 'draft' as const,
        },
        name: `rollout-${randomUUID().slice(0, 8)}`,
        definition: JSON.stringify(experimentDefinitionSchema.parse(definition)),
        plan: JSON.stringify(rolloutPlanSchema.parse(plan)),
        arms: JSON.stringify(await modelIds(arms)),
        ...{ before: null, secrets: null, started_at: null, ended_at: null },
      };
      return inTx((tx) => insertRollout(tx, row));
    },
    async order(
      rollout: RolloutRow,
      kind: CommandKind,
      changes: { reason?: string; model?: string; on?: Db } = {},
    ): Promise<RolloutRow> {
      const { on, ...more } = changes;
      return inTx(async (tx) => {
        const outcome = await command(tx, {
          ...{ organizationId, rollout, command: { kind, ...more }, actor: 'somebody', nowMs: world.nowMs },
          past: POSTGRES_ROLLOUT_PAST,
        });
        await publishStep(tx, outcome, 'somebody');
        return outcome.rollout;
      }, on);
    },
    /** Lets time pass, and an engine look once, at all that are due. */
    async pass(ms: number, engine: RolloutEngine = rig.engine()): Promise<void> {
      world.nowMs += ms;
      await engine.round(new AbortController().signal);
      await engine.settle();
    },
    async row(rollout: RolloutRow): Promise<RolloutRow> {
      return (await inTx((tx) => findRollout(tx, organizationId, rollout.id)))!;
    },
    /** `event: from → to (weights)` of each step, in order. */
    async story(rollout: RolloutRow): Promise<string[]> {
      const rows = await control.admin
        .selectFrom('rollout_transitions')
        .selectAll()
        .where('rollout_id', '=', rollout.id)
        .orderBy('id')
        .execute();
      return rows.map(({ event, from_state, to_state, weights }) => {
        const moved =
          weights === null
            ? ''
            : ` (${Object.entries(weights)
                .map(([name, weight]) => `${name} ${weight}`)
                .join(', ')})`;
        return `${event}: ${from_state} → ${to_state}${moved}`;
      });
    },
    /** Actions and reasons of the audit log about a rollout, oldest first. */
    async audit(
      rollout: RolloutRow,
    ): Promise<{ action: string; actor: string; reason: string; version: number | null }[]> {
      const rows = await control.admin
        .selectFrom('audit_entries')
        .selectAll()
        .where('resource', '=', `rollouts/${rollout.id}`)
        .orderBy('id')
        .execute();
      return rows.map(({ action, actor, after, config_version }) => ({
        ...{ action, actor, version: config_version },
        reason: (after as { reason: string }).reason,
      }));
    },
    async variants(group = 'demo'): Promise<Record<string, { role: string; weightBp: number; ranges: unknown }>> {
      const rows = await control.admin
        .selectFrom('variants')
        .innerJoin('models', 'models.id', 'variants.model_id')
        .select(['models.name', 'role', 'weight_bp', 'ranges'])
        .where('group_id', '=', await groupId(group))
        .orderBy('position')
        .execute();
      return Object.fromEntries(
        rows.map(({ name, role, weight_bp, ranges }) => [name, { role, weightBp: weight_bp, ranges }]),
      );
    },
    async weights(group = 'demo'): Promise<Record<string, number>> {
      return Object.fromEntries(
        Object.entries(await rig.variants(group)).map(([name, { weightBp }]) => [name, weightBp]),
      );
    },
    /** The group as gateways have it. */
    async published(group = 'demo'): Promise<SnapshotDocument['groups'][number]> {
      const { document } = await control.admin
        .selectFrom('snapshots')
        .select('document')
        .where('organization_id', '=', organizationId)
        .orderBy('version', 'desc')
        .limit(1)
        .executeTakeFirstOrThrow();
      return (document as SnapshotDocument).groups.find(({ name }) => name === group)!;
    },
    looks: async (rollout: RolloutRow): Promise<{ at: Date }[]> =>
      control.admin.selectFrom('experiment_looks').select('at').where('experiment_id', '=', rollout.id).execute(),
    async close(): Promise<void> {
      for (const pool of [db, leaderDb]) await pool.destroy();
      await control.stop();
    },
  };
  return rig;
}

export type RolloutRig = Awaited<ReturnType<typeof createRolloutRig>>;
