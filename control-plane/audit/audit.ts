import { z } from '@hono/zod-openapi';
import { listAuditEntries } from '#store/audit.ts';
import type { Tx } from '#store/pool.ts';
import type { ReadCall } from '../http/operation.ts';
import { decodeCursor, type Page, pageQuerySchema, toPage } from '../paging.ts';

const resourceStateSchema = z.record(z.string(), z.unknown()).nullable();

export const auditEntrySchema = z
  .object({
    id: z.int(),
    at: z.iso.datetime(),
    actor: z.string().openapi({ description: '`admin-token:<id>:<name>`, or `bootstrap` for the first start.' }),
    action: z.string(),
    resource: z.string(),
    before: resourceStateSchema,
    after: resourceStateSchema,
    configVersion: z.int().nullable(),
    requestId: z.string(),
  })
  .openapi('AuditEntry');

type AuditEntryView = z.output<typeof auditEntrySchema>;

export const auditQuerySchema = pageQuerySchema.extend({
  version: z.coerce.number().int().min(1).optional().openapi({
    description: 'The change that was published as this configuration version.',
    example: 43,
  }),
});

type AuditQuery = z.output<typeof auditQuerySchema>;

/** The organization's audit log, newest first. */
export async function listAudit(
  tx: Tx,
  { organizationId, query }: ReadCall<AuditQuery>,
): Promise<Page<AuditEntryView>> {
  const beforeId = decodeCursor(query.cursor, z.int().min(1));
  const { version } = query;
  const rows = await listAuditEntries(tx, organizationId, { beforeId, version, limit: query.limit + 1 });
  return toPage(
    rows,
    query.limit,
    (row) => ({
      id: row.id,
      at: row.at.toISOString(),
      actor: row.actor,
      action: row.action,
      resource: row.resource,
      before: row.before as Record<string, unknown> | null,
      after: row.after as Record<string, unknown> | null,
      configVersion: row.config_version,
      requestId: row.request_id,
    }),
    (row) => row.id,
  );
}
