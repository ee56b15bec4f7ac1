import { type Insertable, type Selectable, sql, type Updateable } from 'kysely';
import { isUuid } from '#core/ids.ts';
import { ENDED_STATES, type RolloutState } from '#core/rollout/state.ts';
import type { Database } from './database.ts';
import { ContentionError } from './failures.ts';
import type { RowLock } from './named-rows.ts';
import type { Db, Tx } from './pool.ts';

export type RolloutRow = Selectable<Database['rollouts']>;
export type TransitionRow = Selectable<Database['rollout_transitions']>;
export type FreezeRow = Selectable<Database['freeze_windows']>;
export type GateState = Selectable<Database['rollout_webhooks']>['state'];

/** A slice of a list, newest first: `limit` rows older than the row `beforeId`. */
interface OlderPage<Id> {
  readonly beforeId?: Id | undefined;
  readonly limit: number;
}

/** The rollout with this id, or the newest with this name. */
export function findRollout(
  tx: Tx,
  organizationId: string,
  idOrName: string,
  lock: RowLock = 'none',
): Promise<RolloutRow | undefined> {
  return tx
    .selectFrom('rollouts')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where(isUuid(idOrName) ? sql<boolean>`(name = ${idOrName} OR id = ${idOrName})` : sql<boolean>`name = ${idOrName}`)
    .orderBy(sql`(id::text = ${idOrName})::integer DESC`)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .$if(lock === 'update', (query) => query.forUpdate())
    .$if(lock === 'share', (query) => query.forShare())
    .executeTakeFirst();
}

/** Rollouts, newest first. `active`: those that have not ended. */
export function listRollouts(
  tx: Tx,
  organizationId: string,
  page: OlderPage<string> & {
    readonly groupId?: string | undefined;
    readonly state?: 'active' | RolloutState | undefined;
  },
): Promise<RolloutRow[]> {
  const { groupId, state, beforeId, limit } = page;
  return tx
    .selectFrom('rollouts')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .$if(groupId !== undefined, (query) => query.where('group_id', '=', groupId!))
    .$if(state === 'active', (query) => query.where('state', 'not in', ENDED_STATES))
    .$if(state !== undefined && state !== 'active', (query) => query.where('state', '=', state as RolloutState))
    .$if(beforeId !== undefined, (query) =>
      query.where(
        sql<boolean>`(created_at, id) < (SELECT created_at, id FROM rollouts WHERE organization_id = ${organizationId} AND id = ${beforeId})`,
      ),
    )
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** Inserts a rollout, as a draft. */
export function insertRollout(tx: Tx, row: Insertable<Database['rollouts']>): Promise<RolloutRow> {
  return tx.insertInto('rollouts').values(row).returningAll().executeTakeFirstOrThrow();
}

/**
 * Changes a rollout and raises its version.
 * @throws ContentionError when somebody else has changed it since `row` was read
 */
export async function updateRollout(
  tx: Tx,
  row: Pick<RolloutRow, 'id' | 'organization_id' | 'version'>,
  changes: Omit<Updateable<Database['rollouts']>, 'version' | 'updated_at'>,
): Promise<RolloutRow> {
  const after = await tx
    .updateTable('rollouts')
    .set({ ...changes, version: sql`version + 1`, updated_at: sql`now()` })
    .where('organization_id', '=', row.organization_id)
    .where('id', '=', row.id)
    .where('version', '=', row.version)
    .returningAll()
    .executeTakeFirst();
  if (after === undefined) throw new ContentionError(`rollout ${row.id} is not at version ${row.version} any more`);
  return after;
}

/** The rollout that moves the weights of a group now, if one does. */
export function runningRollout(tx: Tx, organizationId: string, groupId: string): Promise<RolloutRow | undefined> {
  return tx
    .selectFrom('rollouts')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('group_id', '=', groupId)
    .where('started_at', 'is not', null)
    .where('ended_at', 'is', null)
    .executeTakeFirst();
}

/** All rollouts of an organization that are under way. */
export function runningRollouts(tx: Tx, organizationId: string): Promise<RolloutRow[]> {
  return tx
    .selectFrom('rollouts')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('started_at', 'is not', null)
    .where('ended_at', 'is', null)
    .execute();
}

/** A rollout that the engine must look after, of any organization. */
export interface DueRollout {
  readonly id: string;
  readonly organizationId: string;
}

/** Every rollout that is under way, or waits for its start to be allowed. For the role `leader`. */
export async function dueRollouts(db: Db): Promise<DueRollout[]> {
  const { rows } = await sql<DueRollout>`SELECT id, organization_id AS "organizationId" FROM rollouts
    WHERE ended_at IS NULL AND (started_at IS NOT NULL OR memory ? 'requestedAtMs') ORDER BY id`.execute(db);
  return rows;
}

/** Keeps, for ever, a step that a rollout has taken. */
export async function insertTransition(tx: Tx, row: Insertable<Database['rollout_transitions']>): Promise<void> {
  await tx.insertInto('rollout_transitions').values(row).execute();
}

/** The steps of a rollout, newest first. */
export function listTransitions(
  tx: Tx,
  organizationId: string,
  rolloutId: string,
  { beforeId, limit }: OlderPage<number>,
): Promise<TransitionRow[]> {
  return tx
    .selectFrom('rollout_transitions')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('rollout_id', '=', rolloutId)
    .$if(beforeId !== undefined, (query) => query.where('id', '<', beforeId!))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** A question, or a notice, for one of a rollout's webhooks. */
export interface GateRow {
  readonly hook: string;
  readonly gate: string;
  readonly payload: Record<string, unknown>;
}

/** Has webhooks called, each gate once. */
export async function insertGates(
  tx: Tx,
  rollout: Pick<RolloutRow, 'id' | 'organization_id'>,
  gates: readonly GateRow[],
): Promise<void> {
  if (gates.length === 0) return;
  await tx
    .insertInto('rollout_webhooks')
    .values(
      gates.map(({ hook, gate, payload }) => ({
        id: sql<string>`gen_random_uuid()`,
        rollout_id: rollout.id,
        organization_id: rollout.organization_id,
        hook,
        gate,
        payload: JSON.stringify(payload),
      })),
    )
    .onConflict((conflict) => conflict.columns(['rollout_id', 'gate']).doNothing())
    .execute();
}

/** What each gate of a rollout has answered, and why. */
export async function gateAnswers(
  tx: Tx,
  organizationId: string,
  rolloutId: string,
): Promise<Map<string, { state: GateState; detail: string }>> {
  const rows = await tx
    .selectFrom('rollout_webhooks')
    .select(['gate', 'state', 'detail'])
    .where('organization_id', '=', organizationId)
    .where('rollout_id', '=', rolloutId)
    .execute();
  return new Map(rows.map(({ gate, state, detail }) => [gate, { state, detail }]));
}

/** The freeze that holds for a group at a moment; of several the one that ends last. */
export function activeFreeze(
  tx: Tx,
  organizationId: string,
  groupId: string,
  at: Date,
): Promise<FreezeRow | undefined> {
  return tx
    .selectFrom('freeze_windows')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where((where) => where.or([where('group_id', 'is', null), where('group_id', '=', groupId)]))
    .where('starts_at', '<=', at)
    .where('ends_at', '>', at)
    .orderBy('ends_at', 'desc')
    .limit(1)
    .executeTakeFirst();
}

export function insertFreezeWindow(tx: Tx, row: Insertable<Database['freeze_windows']>): Promise<FreezeRow> {
  return tx.insertInto('freeze_windows').values(row).returningAll().executeTakeFirstOrThrow();
}

/** Freeze windows that have not ended by `endsAfter`, by their beginning, behind the window `afterId`. */
export function listFreezeWindows(
  tx: Tx,
  organizationId: string,
  filter: { readonly endsAfter?: Date | undefined; readonly afterId?: string | undefined; readonly limit: number },
): Promise<FreezeRow[]> {
  return tx
    .selectFrom('freeze_windows')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .$if(filter.endsAfter !== undefined, (query) => query.where('ends_at', '>', filter.endsAfter!))
    .$if(filter.afterId !== undefined, (query) =>
      query.where(
        sql<boolean>`(starts_at, id) > (SELECT starts_at, id FROM freeze_windows WHERE organization_id = ${organizationId} AND id = ${filter.afterId})`,
      ),
    )
    .orderBy('starts_at')
    .orderBy('id')
    .limit(filter.limit)
    .execute();
}

/** @returns the window that is gone, or undefined where there was none with this id */
export function deleteFreezeWindow(tx: Tx, organizationId: string, id: string): Promise<FreezeRow | undefined> {
  return tx
    .deleteFrom('freeze_windows')
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
}
