import type { Insertable, Selectable, Updateable } from 'kysely';
import type { Database } from './database.ts';
import { findNamed, listNamed, type NamePage, type RowLock, retireNamed, updateNamed } from './named-rows.ts';
import type { Tx } from './pool.ts';

export type ProviderRow = Selectable<Database['providers']>;

/** The live provider with this name or id, if the organization has one. */
export function findProvider(
  tx: Tx,
  organizationId: string,
  ref: string,
  lock: RowLock = 'none',
): Promise<ProviderRow | undefined> {
  return findNamed(tx, 'providers', organizationId, ref, lock);
}

/** Live providers by name. */
export function listProviders(tx: Tx, organizationId: string, page: NamePage): Promise<ProviderRow[]> {
  return listNamed(tx, 'providers', organizationId, page);
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
  return updateNamed(tx, 'providers', organizationId, id, changes);
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
export function deleteProvider(tx: Tx, organizationId: string, id: string): Promise<void> {
  return retireNamed(tx, 'providers', organizationId, id, {
    credentials: null,
    credential_hint: null,
    header_names: [],
  });
}
