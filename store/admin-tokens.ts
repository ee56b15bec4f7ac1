import { type Insertable, sql } from 'kysely';
import type { AdminRole, Database } from './database.ts';
import type { Db, Tx } from './pool.ts';

/** Who an admin token speaks for. */
export interface AdminTokenOwner {
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
  readonly role: AdminRole;
}

/** Finds the live, unexpired admin token with this digest in any organization. */
export async function findAdminToken(db: Db, digest: Buffer): Promise<AdminTokenOwner | undefined> {
  const { rows } = await sql<AdminTokenOwner>`
    SELECT id, organization_id AS "organizationId", name, role FROM find_admin_token(${digest})`.execute(db);
  return rows[0];
}

/** Inserts an admin token. */
export async function insertAdminToken(tx: Tx, row: Insertable<Database['admin_tokens']>): Promise<void> {
  await tx.insertInto('admin_tokens').values(row).execute();
}
