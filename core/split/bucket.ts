import { type SipKey, sipHash32 } from './siphash.ts';

/** Buckets per group: one per basis point. */
export const BUCKETS = 10_000;

const scratch = Buffer.allocUnsafe(4096);
const encoder = new TextEncoder();

/**
 * A unit's fixed place in [0, 10 000): the first 32 bits of SipHash-2-4(salt, hashVersion ‖ 0x00 ‖ unit), scaled by
 * multiplication (no modulo bias). `hashVersion` enters as its decimal text, `unit` as UTF-8.
 */
export function bucketOf(salt: SipKey, hashVersion: number, unit: string): number {
  return scale(sipHash32(salt, ...hashInput(hashVersion, unit)));
}

/** Maps 32 uniform bits to [0, 10 000). */
export function scale(bits: number): number {
  return Math.floor((bits * BUCKETS) / 0x1_0000_0000);
}

function hashInput(hashVersion: number, unit: string): [Uint8Array, number] {
  const prefix = `${hashVersion}\0`;
  // A UTF-16 unit takes at most three bytes of UTF-8.
  if ((prefix.length + unit.length) * 3 <= scratch.length) {
    return [scratch, scratch.write(prefix + unit, 0, 'utf8')];
  }
  const bytes = encoder.encode(prefix + unit);
  return [bytes, bytes.length];
}
