import type { Selectable } from 'kysely';
import type { Database } from './database.ts';
import type { Tx } from './pool.ts';

export type AuditRow = Selectable<Database['audit_entries']>;

/** One change: who did what to which resource. `before` and `after` never hold a secret. */
export interface AuditEntry {
  readonly organizationId: string;
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly before: object | null;
  readonly after: object | null;
  readonly configVersion: number | null;
  readonly requestId: string;
}

/** Appends an audit entry. */
export async function insertAuditEntry(tx: Tx, entry: AuditEntry): Promise<void> {
  await tx
    .insertInto('audit_entries')
    .values({
      organization_id: entry.organizationId,
      actor: entry.actor,
      action: entry.action,
      resource: entry.resource,
      before: entry.before === null ? null : JSON.stringify(entry.before),
      after: entry.after === null ? null : JSON.stringify(entry.after),
      config_version: entry.configVersion,
      request_id: entry.requestId,
    })
    .execute();
}

/** Audit entries, newest first, before the entry `beforeId`, of one configuration version if `version` is given. */
export function listAuditEntries(
  tx: Tx,
  organizationId: string,
  page: { readonly beforeId: number | undefined; readonly version?: number | undefined; readonly limit: number },
): Promise<AuditRow[]> {
  return tx
    .selectFrom('audit_entries')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .$if(page.beforeId !== undefined, (query) => query.where('id', '<', page.beforeId!))
    .$if(page.version !== undefined, (query) => query.where('config_version', '=', page.version!))
    .orderBy('id', 'desc')
    .limit(page.limit)
    .execute();
}
