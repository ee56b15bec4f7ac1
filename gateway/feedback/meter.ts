/** How much each API key may report, over all serving threads of the process. */
export interface FeedbackMeter {
  /**
   * Takes so many reports out of what a key has left.
   * @param again how many its caller needs when it comes again, if these are too many; as many if left out
   * @returns null: they were taken; else in how many seconds so many are left
   */
  take(keyId: string, reports: number, again?: number): number | null;
}

const SLOTS = 4_096;
/** Slots that a key may have. */
const PROBES = 8;
const WORDS = 2;
const MINUTE_US = 60_000_000n;

/** What the threads share. */
export function allocateFeedbackMeter(): SharedArrayBuffer {
  return new SharedArrayBuffer(SLOTS * WORDS * BigInt64Array.BYTES_PER_ELEMENT);
}

/**
 * A key may report `perMinute` at once, and has them again a minute later (a token bucket, kept as the one moment at which it is full
 * again). A slot holds a key's tag and that moment:
 *
 *     free ──first report──▶ a key's ──its bucket is full again──▶ anybody's
 *
 * A full bucket says nothing that must be remembered, so that slots are handed on without loss. Where eight keys that report at this
 * moment have all the slots that a ninth may have (of 4096), it shares the first one's bucket. Nobody waits for a lock.
 *
 * @param cells of `allocateFeedbackMeter`
 * @param nowUs a clock that is the same in all threads, and never set
 */
export function createFeedbackMeter(cells: SharedArrayBuffer, perMinute: number, nowUs: () => bigint): FeedbackMeter {
  const words = new BigInt64Array(cells);

  const costUs = (reports: number) => (BigInt(reports) * MINUTE_US) / BigInt(perMinute);

  const slotOf = (tag: bigint, now: bigint): number => {
    const first = Number(BigInt.asUintN(24, tag));
    // Odd, so that all are different ones; of the key, so that crowds do not grow.
    const step = Number(BigInt.asUintN(24, tag >> 24n)) | 1;
    const slots = Array.from({ length: PROBES }, (_, probe) => ((first + probe * step) % SLOTS) * WORDS);
    const own = slots.find((at) => Atomics.load(words, at) === tag);
    if (own !== undefined) return own;
    for (const at of slots) {
      const held = Atomics.load(words, at);
      // Another thread has taken it since for the same key, and may have filled it already: a second bucket would be a second minute.
      if (held === tag) return at;
      if (held !== 0n && Atomics.load(words, at + 1) > now) continue;
      const before = Atomics.compareExchange(words, at, held, tag);
      if (before === held || before === tag) return at;
    }
    return slots[0]!;
  };

  return {
    take(keyId, reports, again = reports) {
      const now = nowUs();
      const at = slotOf(tagOf(keyId), now) + 1;
      for (;;) {
        const fullAt = Atomics.load(words, at);
        const from = fullAt > now ? fullAt : now;
        const next = from + costUs(reports);
        if (next > now + MINUTE_US) return Math.ceil(Number(from + costUs(again) - now - MINUTE_US) / 1e6);
        if (Atomics.compareExchange(words, at, fullAt, next) === fullAt) return null;
      }
    },
  };
}

/** 62 bits of a key's id, which are drawn at random; never 0. */
function tagOf(keyId: string): bigint {
  return BigInt.asIntN(62, BigInt(`0x${keyId.replaceAll('-', '').slice(-16)}`)) || 1n;
}
