import { sql } from 'kysely';
import type { Tx } from './pool.ts';
import type { FreezeRow, GateState } from './rollouts.ts';

/** A call to a webhook, as far as a rollout waits for it. */
export interface GateFact {
  readonly gate: string;
  readonly hook: string;
  readonly state: GateState;
  readonly detail: string;
}

/** What is known of a rollout beside its own row. */
export interface RolloutFacts {
  /** Name of its group, which may be deleted. */
  readonly group: string;
  readonly lastLookAt: Date | null;
  /** Calls without an approval, oldest first. */
  readonly gates: readonly GateFact[];
}

/** The facts of some rollouts, by id. */
export async function rolloutFacts(
  tx: Tx,
  organizationId: string,
  ids: readonly string[],
): Promise<Map<string, RolloutFacts>> {
  if (ids.length === 0) return new Map();
  const [rows, gates] = [await looksAndGroups(tx, organizationId, ids), await openGates(tx, organizationId, ids)];
  return new Map(rows.map(({ id, group, lastLookAt }) => [id, { group, lastLookAt, gates: gates.get(id) ?? [] }]));
}

function looksAndGroups(tx: Tx, organizationId: string, ids: readonly string[]) {
  return tx
    .selectFrom('rollouts')
    .innerJoin('groups', 'groups.id', 'rollouts.group_id')
    .select([
      'rollouts.id',
      'groups.name as group',
      // The newest look only: a rollout of days has thousands.
      sql<Date | null>`(SELECT at FROM experiment_looks WHERE experiment_id = rollouts.id
        AND organization_id = ${organizationId} ORDER BY id DESC LIMIT 1)`.as('lastLookAt'),
    ])
    .where('rollouts.organization_id', '=', organizationId)
    .where('rollouts.id', 'in', [...ids])
    .execute();
}

async function openGates(tx: Tx, organizationId: string, ids: readonly string[]): Promise<Map<string, GateFact[]>> {
  const rows = await tx
    .selectFrom('rollout_webhooks')
    .select(['rollout_id', 'gate', 'hook', 'state', 'detail'])
    .where('organization_id', '=', organizationId)
    .where('rollout_id', 'in', [...ids])
    .where('state', '!=', 'approved')
    .orderBy('created_at')
    .execute();
  return Map.groupBy(rows, (row) => row.rollout_id);
}

/** The freeze windows that hold at a moment, of all groups; of several the one that ends last comes first. */
export function activeFreezes(tx: Tx, organizationId: string, at: Date): Promise<FreezeRow[]> {
  return tx
    .selectFrom('freeze_windows')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('starts_at', '<=', at)
    .where('ends_at', '>', at)
    .orderBy('ends_at', 'desc')
    .execute();
}

/** How many rollouts of a group are in a state. */
export interface StateCount {
  readonly group: string;
  readonly state: string;
  readonly count: number;
}

/** The rollouts of each live group by their state, those that have not ended among them. */
export async function countByState(tx: Tx, organizationId: string): Promise<StateCount[]> {
  const rows = await tx
    .selectFrom('rollouts')
    .innerJoin('groups', 'groups.id', 'rollouts.group_id')
    .select(['groups.name as group', 'rollouts.state', (each) => each.fn.countAll<string>().as('count')])
    .where('rollouts.organization_id', '=', organizationId)
    .where('groups.deleted_at', 'is', null)
    .groupBy(['groups.name', 'rollouts.state'])
    .orderBy('groups.name')
    .execute();
  return rows.map(({ group, state, count }) => ({ group, state, count: Number(count) }));
}

/** Removes a draft that has never done anything. @returns whether there was one */
export async function deleteDraft(tx: Tx, organizationId: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('rollouts')
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .where('state', '=', 'draft')
    .executeTakeFirstOrThrow();
  return numDeletedRows > 0n;
}
