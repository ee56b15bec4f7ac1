import type { SpoolPosition } from './spool.ts';

/**
 * From where on a live spool must not be read yet: ends in there wait for a sync, and if it fails they are taken back
 * (annul.ts). Shared by the writer's thread and the shipper's; it binds nobody once the writer is gone.
 */
export type SpoolHold = BigInt64Array;

/** A segment number above, an offset below. */
const OFFSET_BITS = 32n;
const NOTHING = 0n;

export function createSpoolHold(): SpoolHold {
  return new BigInt64Array(new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT));
}

/** Undefined: everything may be read. */
export function setHold(hold: SpoolHold, position: SpoolPosition | undefined): void {
  const value = position === undefined ? NOTHING : (BigInt(position.segment) << OFFSET_BITS) | BigInt(position.offset);
  Atomics.store(hold, 0, value);
}

export function readHold(hold: SpoolHold): SpoolPosition | undefined {
  const value = Atomics.load(hold, 0);
  if (value === NOTHING) return undefined;
  return { segment: Number(value >> OFFSET_BITS), offset: Number(BigInt.asUintN(Number(OFFSET_BITS), value)) };
}
