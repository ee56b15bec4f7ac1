import { z } from '@hono/zod-openapi';
import { isUuid } from '#core/ids.ts';
import { nameSchema } from '#core/names.ts';
import { allGroups, findGroup } from '#store/groups.ts';
import type { Tx } from '#store/pool.ts';
import { deleteFreezeWindow, type FreezeRow, insertFreezeWindow, listFreezeWindows } from '#store/rollouts.ts';
import type { Clock } from '../clock.ts';
import type { Entropy } from '../entropy.ts';
import type { ChangeCall, ReadCall } from '../http/operation.ts';
import { decodeCursor, type Page, pageQuerySchema, toPage } from '../paging.ts';
import { type Issue, notFound, refuseIssues } from '../problem.ts';
import type { Change } from '../publish/change.ts';

const moment = z.iso.datetime({ offset: true });

export const createFreezeSchema = z
  .strictObject({
    group: nameSchema
      .nullable()
      .default(null)
      .meta({ description: 'Name or id of the group; null: all groups.', example: 'support-chat' }),
    startsAt: moment.optional().meta({ description: 'Left out: at once.', example: '2030-12-20T00:00:00Z' }),
    endsAt: moment.meta({ example: '2031-01-02T00:00:00Z' }),
    reason: z.string().trim().min(1).max(2_000).meta({ example: 'holidays' }),
  })
  .openapi('CreateFreezeWindow');

export const freezeSchema = z
  .object({
    id: z.uuid(),
    group: z.string().nullable(),
    startsAt: z.iso.datetime(),
    endsAt: z.iso.datetime(),
    reason: z.string(),
    active: z.boolean().openapi({ description: 'Whether it holds now.' }),
    createdAt: z.iso.datetime(),
  })
  .openapi('FreezeWindow');

export const freezeQuerySchema = pageQuerySchema.extend({
  all: z
    .enum(['true', 'false'])
    .default('false')
    .meta({ description: '`true`: also those that are over.', example: 'false' }),
});

type CreateFreeze = z.output<typeof createFreezeSchema>;
type FreezeView = z.output<typeof freezeSchema>;

/** Times in which no rollout goes forward. */
export function createFreezeWindows({ entropy, clock }: { readonly entropy: Entropy; readonly clock: Clock }) {
  return {
    async list(
      tx: Tx,
      { organizationId, query }: ReadCall<z.output<typeof freezeQuerySchema>>,
    ): Promise<Page<FreezeView>> {
      const nowMs = clock.nowMs();
      const afterId = decodeCursor(query.cursor, z.uuid());
      const endsAfter = query.all === 'true' ? undefined : new Date(nowMs);
      const rows = await listFreezeWindows(tx, organizationId, { endsAfter, afterId, limit: query.limit + 1 });
      const names = new Map((await allGroups(tx, organizationId)).map(({ id, name }) => [id, name]));
      return toPage(
        rows,
        query.limit,
        (row) => viewOf(row, names.get(row.group_id ?? '') ?? null, nowMs),
        (row) => row.id,
      );
    },

    async create(tx: Tx, { organizationId, body }: ChangeCall<CreateFreeze>): Promise<Change> {
      const nowMs = clock.nowMs();
      const startsAt = new Date(body.startsAt ?? nowMs);
      const endsAt = new Date(body.endsAt);
      const group = body.group === null ? undefined : await findGroup(tx, organizationId, body.group);
      const issues: Issue[] = [];
      if (body.group !== null && group === undefined) {
        issues.push({ field: 'group', message: `there is no group "${body.group}"` });
      }
      if (endsAt <= startsAt) issues.push({ field: 'endsAt', message: 'must be later than startsAt' });
      else if (endsAt.getTime() <= nowMs) issues.push({ field: 'endsAt', message: 'is over already' });
      refuseIssues(issues);
      const row = await insertFreezeWindow(tx, {
        ...{ id: entropy.id(), organization_id: organizationId, group_id: group?.id ?? null },
        ...{ starts_at: startsAt, ends_at: endsAt, reason: body.reason },
      });
      const view = viewOf(row, group?.name ?? null, nowMs);
      return {
        status: 201,
        body: view,
        version: null,
        audit: { action: 'freeze-window.create', resource: `freeze-windows/${row.id}`, before: null, after: view },
        effect: { kind: 'snapshot' },
      };
    },

    async remove(tx: Tx, { organizationId, ref }: ChangeCall<unknown>): Promise<Change> {
      const row = isUuid(ref) ? await deleteFreezeWindow(tx, organizationId, ref) : undefined;
      if (row === undefined) throw notFound('freeze window', ref);
      const group = (await allGroups(tx, organizationId)).find(({ id }) => id === row.group_id)?.name ?? null;
      const before = viewOf(row, group, clock.nowMs());
      return {
        status: 204,
        body: null,
        version: null,
        audit: { action: 'freeze-window.delete', resource: `freeze-windows/${row.id}`, before, after: null },
        effect: { kind: 'snapshot' },
      };
    },
  };
}

function viewOf(row: FreezeRow, group: string | null, nowMs: number): FreezeView {
  return {
    id: row.id,
    group,
    startsAt: row.starts_at.toISOString(),
    endsAt: row.ends_at.toISOString(),
    reason: row.reason,
    active: row.starts_at.getTime() <= nowMs && nowMs < row.ends_at.getTime(),
    createdAt: row.created_at.toISOString(),
  };
}
