import { bucketOf } from '#core/split/bucket.ts';
import type { SipKey } from '#core/split/siphash.ts';

/** Any key that no group has: the draw must agree with nothing else that is drawn from an id, of which every bit is taken. */
const KEY: SipKey = [0x6d697272, 0x6f726564, 0x20627920, 0x73686164];
const VERSION = 1;
const ALL_BP = 10_000;

/**
 * Whether an inference is mirrored: `sampleBp` of 10 000 are, drawn from a hash of the id, so that capture, which draws from
 * the id's own bits, keeps the same share of mirrored inferences as of all. One draw for all shadows of a group: they are compared
 * on the same requests.
 */
export function isMirrored(inferenceId: string, sampleBp: number): boolean {
  return sampleBp >= ALL_BP || bucketOf(KEY, VERSION, inferenceId) < sampleBp;
}
