import { ADMIN_TOKEN_PREFIX, digestSecret } from '#core/credentials.ts';
import { type AdminTokenOwner, findAdminToken } from '#store/admin-tokens.ts';
import type { AdminRole } from '#store/database.ts';
import type { Db } from '#store/pool.ts';
import { Problem } from '../problem.ts';

/** Who sends a request. */
export type Principal = AdminTokenOwner;

/** What each role may do: viewers read, operators also move weights, admins and owners change everything. */
const RANK: Readonly<Record<AdminRole, number>> = { viewer: 0, operator: 1, admin: 2, owner: 3 };

export interface Authenticator {
  /**
   * Finds who a request's `Authorization` header speaks for.
   * @throws Problem `unauthorized` or `forbidden`; whatever the database throws when it is out, which is never a 401
   */
  authorize(authorization: string | undefined, role: AdminRole): Promise<Principal>;
}

/** Checks admin tokens against their stored digests. */
export function createAuthenticator(deps: { readonly db: Db; readonly pepper: Uint8Array }): Authenticator {
  return {
    async authorize(authorization, role) {
      const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) {
        throw new Problem('unauthorized', 'Send an admin token: "Authorization: Bearer rsa_…".');
      }
      const principal = token.startsWith(ADMIN_TOKEN_PREFIX)
        ? await findAdminToken(deps.db, digestSecret(deps.pepper, token))
        : undefined;
      if (principal === undefined) {
        throw new Problem('unauthorized', 'This admin token is unknown, expired or deleted.');
      }
      if (RANK[principal.role] < RANK[role]) {
        throw new Problem(
          'forbidden',
          `This needs the role ${role}; the token "${principal.name}" is ${principal.role}.`,
        );
      }
      return principal;
    },
  };
}

/** How the audit log names a principal. */
export function actorOf(principal: Principal): string {
  return `admin-token:${principal.id}:${principal.name}`;
}
