/**
 * Memory for large request bodies, used again: a fresh megabyte costs ten times the copy into it (220 against 22 µs), because
 * the system clears and maps each page at its first touch. Sizes are powers of two; what is idle is bounded.
 */
export interface BodyPool {
  /** The bytes that `take` would really hold for a body of so many: what a budget is to be charged. */
  sizeFor(bytes: number): number;
  /** A buffer of exactly so many bytes, whatever they hold. */
  take(bytes: number): Buffer;
  /** Takes back what `take` gave. Nobody may read it any more. */
  give(buffer: Buffer): void;
}

/** Smaller ones come from the allocator, which has them at hand; larger ones are rare. */
const MIN_POOLED_BYTES = 64 * 1024;
const MAX_POOLED_BYTES = 8 * 1024 * 1024;

export function createBodyPool(maxIdleBytes: number): BodyPool {
  const idle = new Map<number, ArrayBufferLike[]>();
  let idleBytes = 0;

  /** Drops idle memory of other sizes, so that yesterday's prompts do not keep today's from being pooled. */
  const makeRoom = (size: number): boolean => {
    for (const [other, list] of idle) {
      while (other !== size && list.length > 0 && idleBytes + size > maxIdleBytes) {
        list.pop();
        idleBytes -= other;
      }
    }
    return idleBytes + size <= maxIdleBytes;
  };

  return {
    sizeFor,
    take(bytes) {
      if (!isPooled(bytes)) return Buffer.allocUnsafeSlow(bytes);
      const size = sizeFor(bytes);
      const memory = idle.get(size)?.pop();
      if (memory === undefined) return Buffer.from(new ArrayBuffer(size), 0, bytes);
      idleBytes -= size;
      return Buffer.from(memory, 0, bytes);
    },
    give({ buffer: memory }) {
      const size = memory.byteLength;
      if (!isPooled(size) || size > maxIdleBytes || !makeRoom(size)) return;
      idleBytes += size;
      const list = idle.get(size);
      if (list === undefined) idle.set(size, [memory]);
      else list.push(memory);
    },
  };
}

function isPooled(bytes: number): boolean {
  return bytes >= MIN_POOLED_BYTES && bytes <= MAX_POOLED_BYTES;
}

function sizeFor(bytes: number): number {
  return isPooled(bytes) ? 2 ** Math.ceil(Math.log2(bytes)) : bytes;
}
