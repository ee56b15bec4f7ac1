import { createHash } from 'node:crypto';

/** What Mistral takes as the id of a tool call; it refuses every other. */
const ITS_OWN = /^[A-Za-z0-9]{9}$/;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 9;

/**
 * An id that Mistral takes: its own as they are, another's hashed to nine letters and digits. A call and its result have the same, in every
 * turn of a conversation; that two calls of one share it has a chance of one in 10^13 or so.
 */
export function mistralCallId(id: string): string {
  if (ITS_OWN.test(id)) return id;
  const hash = createHash('sha256').update(id).digest();
  let mapped = '';
  for (let at = 0; at < LENGTH; at++) mapped += ALPHABET[hash.readUInt16BE(at * 2) % ALPHABET.length];
  return mapped;
}
