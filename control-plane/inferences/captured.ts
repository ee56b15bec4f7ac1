/** What the kept bytes of one side are, beside what was sent. */
export type Wholeness =
  /** All that was sent, byte for byte. */
  | 'whole'
  /** All of it, with what the group's policy hides taken out. */
  | 'redacted'
  /** The beginning. */
  | 'truncated';

/**
 * Tells what was kept of a side of `bytes` bytes. A side that was cut has a digest of the whole; one that was redacted never
 * has, as it would let guesses at what was taken out be tested: it is all there if it parses.
 */
export function wholenessOf(kept: Buffer, bytes: number, sha256: Buffer | null): Wholeness {
  if (kept.length === bytes) return 'whole';
  return sha256 === null && isJson(kept) ? 'redacted' : 'truncated';
}

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}
