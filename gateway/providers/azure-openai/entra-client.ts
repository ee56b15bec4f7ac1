import type { EntraClient } from '#core/provider-credentials/azure-openai.ts';

/** Where an application gets its tokens (OAuth 2.0 client credentials; Microsoft identity platform, read 2026-11). */
export function tokenUrl({ authorityHost, tenantId }: EntraClient): string {
  return `https://${authorityHost}/${tenantId}/oauth2/v2.0/token`;
}

/** The body of the exchange, of the type `application/x-www-form-urlencoded`. */
export function tokenRequestBody({ clientId, clientSecret, scope }: EntraClient): string {
  return new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    scope,
  }).toString();
}
