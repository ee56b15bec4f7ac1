import { type Insertable, type Selectable, sql, type Updateable } from 'kysely';
import type { Database } from './database.ts';
import type { Tx } from './pool.ts';
import { idFirst, type NamePage, type RowLock, referredTo } from './references.ts';

export type ProviderRow = Selectable<Database['providers']>;

/** The live provider with this name or id, if the organization has one. */
export function findProvider(
  tx: Tx,
  organizationId: string,
  ref: string,
  lock: RowLock = 'none',
): Promise<ProviderRow | undefined> {
  return tx
    .selectFrom('providers')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .where(referredTo(ref))
    .orderBy(idFirst(ref))
    .limit(1)
    .$if(lock === 'update', (query) => query.forUpdate())
    .$if(lock === 'share', (query) => query.forShare())
    .executeTakeFirst();
}

/** Live providers by name. */
export function listProviders(tx: Tx, organizationId: string, page: NamePage): Promise<ProviderRow[]> {
  return tx
    .selectFrom('providers')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .$if(page.after !== undefined, (query) => query.where('name', '>', page.after!))
    .orderBy('name')
    .limit(page.limit)
    .execute();
}

/** Inserts a provider. Fails on the index `providers_name` when the name is taken. */
export function insertProvider(tx: Tx, row: Insertable<Database['providers']>): Promise<ProviderRow> {
  return tx.insertInto('providers').values(row).returningAll().executeTakeFirstOrThrow();
}

/** Changes a provider and raises its version. */
export function updateProvider(
  tx: Tx,
  organizationId: string,
  id: string,
  changes: Updateable<Database['providers']>,
): Promise<ProviderRow> {
  return tx
    .updateTable('providers')
    .set({ ...changes, version: sql`version + 1`, updated_at: sql`now()` })
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Names of the live models with a deployment on a provider. */
export async function modelsOnProvider(tx: Tx, organizationId: string, providerId: string): Promise<string[]> {
  const rows = await tx
    .selectFrom('deployments')
    .innerJoin('models', 'models.id', 'deployments.model_id')
    .select('models.name')
    .distinct()
    .where('deployments.organization_id', '=', organizationId)
    .where('deployments.provider_id', '=', providerId)
    .where('models.deleted_at', 'is', null)
    .orderBy('models.name')
    .execute();
  return rows.map((row) => row.name);
}

/** Removes a provider: its row stays for the audit log, its secrets do not, and its name is free again. */
export async function deleteProvider(tx: Tx, organizationId: string, id: string): Promise<void> {
  await tx
    .updateTable('providers')
    .set({ credentials: null, credential_hint: null, header_names: [], deleted_at: sql`now()`, updated_at: sql`now()` })
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .execute();
}
