import { ADMIN_TOKEN_PREFIX, digestSecret, formatSecret, secretHint } from '#core/credentials.ts';
import { nameSchema } from '#core/names.ts';
import { insertAdminToken } from '#store/admin-tokens.ts';
import { insertAuditEntry } from '#store/audit.ts';
import { enterOrganization } from '#store/organizations.ts';
import type { Db } from '#store/pool.ts';
import { type Entropy, systemEntropy } from '../entropy.ts';

export interface OwnerRequest {
  readonly organizationName: string;
  readonly tokenName: string;
  readonly pepper: Uint8Array;
}

/**
 * Makes a fresh owner's token for an organization, and the organization itself if there is none of this name: the first
 * start's way in. One transaction.
 * @param db a pool of role `application`
 * @returns the token in plain, for the only time
 */
export async function createOwner(
  db: Db,
  request: OwnerRequest,
  entropy: Entropy = systemEntropy,
): Promise<{ organizationId: string; adminToken: string }> {
  const name = nameSchema.parse(request.organizationName);
  const adminToken = formatSecret(ADMIN_TOKEN_PREFIX, entropy.bytes(32));
  const tokenId = entropy.id();
  const organizationId = await db.transaction().execute(async (tx) => {
    const id = await enterOrganization(tx, name, entropy.id());
    await insertAdminToken(tx, {
      id: tokenId,
      organization_id: id,
      name: request.tokenName,
      role: 'owner',
      digest: digestSecret(request.pepper, adminToken),
      hint: secretHint(adminToken),
    });
    await insertAuditEntry(tx, {
      organizationId: id,
      actor: 'bootstrap',
      action: 'admin-token.create',
      resource: `admin-tokens/${tokenId}`,
      before: null,
      after: { id: tokenId, name: request.tokenName, role: 'owner', hint: secretHint(adminToken) },
      configVersion: null,
      requestId: entropy.id(),
    });
    return id;
  });
  return { organizationId, adminToken };
}
