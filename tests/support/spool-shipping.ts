import fc from 'fast-check';
import { shipSpool } from '#inference-log/ship-spool.ts';
import { type Sink, type SpoolPosition, StaleCursorError } from '#inference-log/spool.ts';
import { createWakeSignal } from '#inference-log/wake-signal.ts';

/** Sizes that make a shipper stop, wait and read again at any place. */
export const shipping = fc.record({
  batchRows: fc.integer({ min: 1, max: 6 }),
  batchBytes: fc.integer({ min: 1000, max: 9000 }),
  chunkBytes: fc.integer({ min: 40, max: 3000 }),
  maxKeptFrameBytes: fc.constantFrom(0, 900, 100_000),
  maxKeptBytes: fc.constantFrom(0, 3000, 1_000_000),
});
export type Shipping = typeof shipping extends fc.Arbitrary<infer Value> ? Value : never;

export const faults = fc.array(fc.constantFrom('none', 'none', 'unreachable', 'answer_lost', 'stale'), {
  maxLength: 30,
});

/** A sink of which calls fail as scripted: before the commit, or after it, as when the connection breaks just then. */
export function faulty(sink: Sink, script: readonly string[]): Sink {
  const todo = [...script];
  return {
    ...sink,
    async write(batch) {
      const fault = todo.shift();
      if (fault === 'unreachable') throw new Error('connection refused');
      if (fault === 'stale') throw new StaleCursorError('moved');
      await sink.write(batch);
      if (fault === 'answer_lost') throw new Error('connection reset');
    },
  };
}

export interface ShippedSpool {
  readonly root: string;
  readonly spoolId: string;
  readonly gatewayId: string;
  readonly sink: Sink;
  readonly how: Shipping;
  /** Whether the writer is gone (it is). */
  readonly sealed?: () => boolean;
  readonly onFeedbackLost?: (count: number) => void;
  readonly holdAt?: () => SpoolPosition | undefined;
  /** True: leave it as it is. */
  readonly stopped?: () => boolean;
}

/** Ships as the shipper does, beginning anew from the cursor after each failure, until the spool is finished. */
export async function ship({ how, sealed = () => true, stopped = () => false, ...spool }: ShippedSpool): Promise<void> {
  for (;;) {
    try {
      const shipped = await shipSpool({
        ...how,
        ...spool,
        ...{ sealed, maxBatchAgeMs: 2, pollMs: 1, nowMs: Date.now, monotonicMs: () => performance.now() },
        ...{ signal: createWakeSignal(), rest: async () => {} },
        ...{ onAlarm: () => {}, stopping: () => (stopped() ? 'now' : 'no'), onCursor: () => {}, onHealthy: () => {} },
      });
      if (shipped !== 'finished' && !stopped()) throw new Error(`the spool is ${shipped}`);
      return;
    } catch (error) {
      if (!/connection|moved/.test(String(error))) throw error;
    }
  }
}
