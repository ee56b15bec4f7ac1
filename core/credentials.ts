import { createHmac } from 'node:crypto';

/** Prefixes that secret scanners can search for; the rest is 256 random bits in base64url. */
export const API_KEY_PREFIX = 'rsk_';
export const ADMIN_TOKEN_PREFIX = 'rsa_';
const SECRET_BYTES = 32;

/** A new secret from 32 random bytes. */
export function formatSecret(prefix: typeof API_KEY_PREFIX | typeof ADMIN_TOKEN_PREFIX, random: Uint8Array): string {
  if (random.length !== SECRET_BYTES) throw new TypeError(`a secret is made of ${SECRET_BYTES} random bytes`);
  return prefix + Buffer.from(random).toString('base64url');
}

/** The first characters of a secret, kept readable so that people can tell keys apart. */
export function secretHint(secret: string): string {
  return `${secret.slice(0, 8)}…${secret.slice(-4)}`;
}

/** HMAC-SHA-256 of a secret with the server's pepper: 32 bytes, the only form in which a secret is stored. */
export function digestSecret(pepper: Uint8Array, secret: string): Buffer {
  return createHmac('sha256', pepper).update(secret).digest();
}
