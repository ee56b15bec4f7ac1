import type { Insertable, Selectable, Updateable } from 'kysely';
import type { Database } from './database.ts';
import { findNamed, listNamed, type NamePage, type RowLock, retireNamed, updateNamed } from './named-rows.ts';
import type { Db, Tx } from './pool.ts';

/** A change to an API key, as gateways apply it to their table of digests. */
export interface KeyDelta {
  readonly id: string;
  readonly organizationId: string;
  /** HMAC-SHA-256 of the key with the installation's pepper, 32 bytes. */
  readonly digest: Buffer;
  /** The groups that the key may call; null: every group of the organization. */
  readonly groupIds: string[] | null;
  /** The unit of requests that name none. */
  readonly defaultUnit: string | null;
  readonly expiresAt: Date | null;
  /** A deleted key is to be removed from the table. */
  readonly deleted: boolean;
  readonly keyVersion: number;
}

/** Every key of all organizations that changed after a key version, oldest change first. For the role `gateway`. */
export async function keysSince(db: Db, afterVersion: number): Promise<KeyDelta[]> {
  const rows = await db
    .selectFrom('api_keys')
    .select(['id', 'organization_id', 'digest', 'group_ids', 'default_unit', 'expires_at', 'deleted_at', 'key_version'])
    .where('key_version', '>', afterVersion)
    .orderBy('key_version')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    organizationId: row.organization_id,
    digest: row.digest,
    groupIds: row.group_ids,
    defaultUnit: row.default_unit,
    expiresAt: row.expires_at,
    deleted: row.deleted_at !== null,
    keyVersion: row.key_version,
  }));
}

export type KeyRow = Selectable<Database['api_keys']>;

/** The live key with this id or name, if the organization has one. */
export function findKey(
  tx: Tx,
  organizationId: string,
  ref: string,
  lock: RowLock = 'none',
): Promise<KeyRow | undefined> {
  return findNamed(tx, 'api_keys', organizationId, ref, lock);
}

/** Live keys by name. */
export function listKeys(tx: Tx, organizationId: string, page: NamePage): Promise<KeyRow[]> {
  return listNamed(tx, 'api_keys', organizationId, page);
}

/** Inserts a key. Fails on the index `api_keys_name` when the name is taken. */
export function insertKey(tx: Tx, row: Insertable<Database['api_keys']>): Promise<KeyRow> {
  return tx.insertInto('api_keys').values(row).returningAll().executeTakeFirstOrThrow();
}

/** Changes a key and raises its version. `key_version` must be a fresh one, or no gateway hears of it. */
export function updateKey(
  tx: Tx,
  organizationId: string,
  id: string,
  changes: Updateable<Database['api_keys']> & { key_version: number },
): Promise<KeyRow> {
  return updateNamed(tx, 'api_keys', organizationId, id, changes);
}

/** Removes a key: gateways hear of it through `keyVersion`, its row stays for the log, its name is free again. */
export function deleteKey(tx: Tx, organizationId: string, id: string, keyVersion: number): Promise<void> {
  return retireNamed(tx, 'api_keys', organizationId, id, { key_version: keyVersion });
}

/** The ids of the keys, deleted ones too, that have or had this name or id. */
export async function keyIdsOf(tx: Tx, organizationId: string, ref: string): Promise<string[]> {
  const rows = await tx
    .selectFrom('api_keys')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where((where) => where.or([where('name', '=', ref), where(where.cast<string>('id', 'text'), '=', ref)]))
    .execute();
  return rows.map(({ id }) => id);
}

/** The names of keys by id, those of deleted ones too. Ids of no key of the organization are missing. */
export async function keyNames(tx: Tx, organizationId: string, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await tx
    .selectFrom('api_keys')
    .select(['id', 'name'])
    .where('organization_id', '=', organizationId)
    .where('id', 'in', ids)
    .execute();
  return new Map(rows.map(({ id, name }) => [id, name]));
}
