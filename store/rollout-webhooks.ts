import { type Selectable, sql } from 'kysely';
import { isAskedNow } from '#core/rollout/gates.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import type { RolloutPlan } from '#core/rollout/plan.ts';
import type { Database } from './database.ts';
import type { Db, Tx } from './pool.ts';

export type WebhookRow = Selectable<Database['rollout_webhooks']>;

/** A call that is due, with what its rollout knows about it. */
export interface DueWebhook extends WebhookRow {
  readonly plan: RolloutPlan;
  /** Envelope of what it is signed with. */
  readonly secrets: string | null;
  readonly rolloutEnded: boolean;
  /** Whether it is a question that its rollout still asks; a notice is none. */
  readonly isAsked: boolean;
}

/** Calls of all organizations that are due, the longest waiting first, without those of `except`. As role leader. */
export async function dueWebhooks(db: Db, except: readonly string[], limit: number): Promise<DueWebhook[]> {
  const rows = await db
    .selectFrom('rollout_webhooks')
    .innerJoin('rollouts', 'rollouts.id', 'rollout_webhooks.rollout_id')
    .selectAll('rollout_webhooks')
    .select(['rollouts.plan', 'rollouts.secrets', 'rollouts.ended_at as rollout_ended_at', 'rollouts.memory'])
    .where('rollout_webhooks.state', '=', 'pending')
    .where('rollout_webhooks.next_at', '<=', sql<Date>`now()`)
    .$if(except.length > 0, (query) => query.where('rollout_webhooks.id', 'not in', [...except]))
    .orderBy('rollout_webhooks.next_at')
    .limit(limit)
    .execute();
  return rows.map(({ rollout_ended_at, memory, ...row }) => ({
    ...row,
    rolloutEnded: rollout_ended_at !== null,
    isAsked: isAskedNow(row.gate, rolloutMemorySchema.parse(memory)),
  }));
}

/** What became of an attempt: an end, or the wait before the next one. */
export type WebhookOutcome =
  | { readonly state: 'approved' | 'denied' | 'failed'; readonly detail: string }
  | { readonly state: 'pending'; readonly detail: string; readonly waitMs: number };

/**
 * Writes down an attempt. Changes nothing when somebody else has done so since `row` was read: two processes may both think
 * for a moment that they lead.
 * @returns whether it was written
 */
export async function settleWebhook(db: Db, row: WebhookRow, outcome: WebhookOutcome): Promise<boolean> {
  const waitMs = outcome.state === 'pending' ? outcome.waitMs : 0;
  const { numUpdatedRows } = await db
    .updateTable('rollout_webhooks')
    .set({
      state: outcome.state,
      detail: outcome.detail,
      attempts: row.attempts + 1,
      next_at: sql<Date>`now() + make_interval(secs => ${waitMs / 1_000})`,
      updated_at: sql<Date>`now()`,
    })
    .where('id', '=', row.id)
    .where('state', '=', 'pending')
    .where('attempts', '=', row.attempts)
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}

/** The calls of a rollout, newest first, before the call `beforeId`. */
export function listWebhooks(
  tx: Tx,
  organizationId: string,
  rolloutId: string,
  page: { readonly beforeId: string | undefined; readonly limit: number },
): Promise<WebhookRow[]> {
  return tx
    .selectFrom('rollout_webhooks')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('rollout_id', '=', rolloutId)
    .$if(page.beforeId !== undefined, (query) =>
      query.where(
        sql<boolean>`(created_at, id) < (SELECT created_at, id FROM rollout_webhooks
          WHERE organization_id = ${organizationId} AND rollout_id = ${rolloutId} AND id = ${page.beforeId})`,
      ),
    )
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit)
    .execute();
}
