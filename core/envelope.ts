import { createCipheriv, createDecipheriv } from 'node:crypto';

/**
 * Envelopes hold provider credentials at rest: `v1.<key id>.<iv>.<ciphertext>.<tag>`, AES-256-GCM, parts in base64url.
 * The additional data binds an envelope to its organization and row, so that a swapped row does not open.
 */
export interface EncryptionKey {
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** The keys of an installation: the first one seals, all of them open. */
export type Keyring = readonly [EncryptionKey, ...EncryptionKey[]];

const IV_BYTES = 12;

/** The additional data of an envelope. */
export function envelopeContext(organizationId: string, table: string, rowId: string): string {
  return `${organizationId}/${table}/${rowId}`;
}

/** Seals a text with the first key. `iv` is 12 fresh random bytes. */
export function seal(keyring: Keyring, context: string, plaintext: string, iv: Uint8Array): string {
  if (iv.length !== IV_BYTES) throw new TypeError(`the iv has ${IV_BYTES} bytes`);
  const [{ id, key }] = keyring;
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
  return ['v1', id, b64(iv), b64(sealed), b64(cipher.getAuthTag())].join('.');
}

/** Opens an envelope. Throws when the key is unknown or when a byte of envelope or context differs. */
export function open(keyring: Keyring, context: string, envelope: string): string {
  const [version, id, iv, sealed, tag] = envelope.split('.');
  if (version !== 'v1' || iv === undefined || sealed === undefined || tag === undefined) {
    throw new Error('not a version 1 envelope');
  }
  const found = keyring.find((entry) => entry.id === id);
  if (found === undefined) {
    throw new Error(`the envelope was sealed with key "${id}", which RINGSIDE_ENCRYPTION_KEYS does not list`);
  }
  const decipher = createDecipheriv('aes-256-gcm', found.key, Buffer.from(iv, 'base64url'), { authTagLength: 16 })
    .setAAD(Buffer.from(context))
    .setAuthTag(Buffer.from(tag, 'base64url'));
  return Buffer.concat([decipher.update(Buffer.from(sealed, 'base64url')), decipher.final()]).toString('utf8');
}

function b64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
