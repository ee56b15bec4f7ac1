import { sql } from 'kysely';
import type { Tx } from './pool.ts';

/**
 * Confines the rest of the transaction to the organization with this name, creating it with `newId` if there is none.
 * Two callers at once end with the same organization. For the role `application`.
 * @returns the organization's id
 */
export async function enterOrganization(tx: Tx, name: string, newId: string): Promise<string> {
  const existing = await findOrganization(tx, name);
  if (existing !== undefined) return confine(tx, existing);
  await confine(tx, newId);
  await tx
    .insertInto('organizations')
    .values({ id: newId, name })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  return confine(tx, (await findOrganization(tx, name)) ?? newId);
}

async function findOrganization(tx: Tx, name: string): Promise<string | undefined> {
  const { rows } = await sql<{ id: string | null }>`SELECT find_organization(${name}) AS id`.execute(tx);
  return rows[0]?.id ?? undefined;
}

async function confine(tx: Tx, id: string): Promise<string> {
  await sql`SELECT set_config('ringside.organization_id', ${id}, true)`.execute(tx);
  return id;
}
