import { randomBytes, randomUUID } from 'node:crypto';
import { API_KEY_PREFIX, digestSecret, formatSecret, secretHint } from '#core/credentials.ts';
import { DEFAULT_CAPTURE, DEFAULT_LOG_POLICY } from '#core/snapshot/log-policy.ts';
import { allGroups, insertGroup, replaceVariants, variantsOf } from '#store/groups.ts';
import { inOrganization } from '#store/pool.ts';
import { nextKeyVersion, publishSnapshot } from '#store/snapshots.ts';
import { GROUP, type Installation } from './installation.ts';

/** Groups of one transaction: their tables take locks, of which PostgreSQL has so many. */
const GROUPS_AT_ONCE = 20;
const KEYS_AT_ONCE = 5_000;

/**
 * Makes groups with the split of `bench` by the store's own functions, and publishes once: through the control API each
 * would publish a whole snapshot, twice.
 * @returns their names, all of one length
 */
export async function addGroups(installation: Installation, count: number): Promise<string[]> {
  if (count === 0) return [];
  const { db, organizationId } = installation;
  const names = Array.from({ length: count }, (_, index) => `group-${String(index).padStart(6, '0')}`);
  const split = await inOrganization(db, organizationId, async (tx) => {
    const { id } = (await allGroups(tx, organizationId)).find((group) => group.name === GROUP)!;
    return (await variantsOf(tx, organizationId, [id])).get(id)!;
  });
  for (let at = 0; at < count; at += GROUPS_AT_ONCE) {
    await inOrganization(db, organizationId, async (tx) => {
      for (const name of names.slice(at, at + GROUPS_AT_ONCE)) {
        const id = randomUUID();
        await insertGroup(tx, {
          id,
          organization_id: organizationId,
          name,
          description: '',
          salt: randomBytes(16).toString('hex'),
          capture: JSON.stringify(DEFAULT_CAPTURE),
          log: JSON.stringify(DEFAULT_LOG_POLICY),
        });
        const variants = split.map(({ model_id, position, role, weight_bp, ranges }) => ({
          ...{ group_id: id, model_id, organization_id: organizationId, position, role, weight_bp },
          ranges: JSON.stringify(ranges),
        }));
        await replaceVariants(tx, organizationId, id, variants);
      }
    });
  }
  await inOrganization(db, organizationId, (tx) => publishSnapshot(tx, organizationId));
  return names;
}

/** Makes API keys that may use every group, as POST /keys does, thousands in one statement. @returns their secrets */
export async function addKeys(installation: Installation, count: number): Promise<string[]> {
  if (count === 0) return [];
  const { db, organizationId, pepper } = installation;
  const secrets = Array.from({ length: count }, () => formatSecret(API_KEY_PREFIX, randomBytes(32)));
  await inOrganization(db, organizationId, async (tx) => {
    const version = await nextKeyVersion(tx);
    for (let at = 0; at < count; at += KEYS_AT_ONCE) {
      const rows = secrets.slice(at, at + KEYS_AT_ONCE).map((secret, index) => ({
        id: randomUUID(),
        organization_id: organizationId,
        name: `key-${at + index}`,
        digest: digestSecret(pepper, secret),
        hint: secretHint(secret),
        key_version: version,
      }));
      await tx.insertInto('api_keys').values(rows).execute();
    }
  });
  return secrets;
}
