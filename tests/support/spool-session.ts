import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import type { SegmentFiles } from '#inference-log/segments.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { beginRecord, endRecord, newInferenceId } from './records.ts';

interface FrameStep {
  readonly do: 'begin' | 'part' | 'end';
  readonly inference: number;
  readonly bytes: number | null;
  /** A record that no store takes. */
  readonly poison: boolean;
}
export type Step = FrameStep | { readonly do: 'flush' | 'pause' };

const frameStep: fc.Arbitrary<FrameStep> = fc.record({
  do: fc.constantFrom('begin' as const, 'part' as const, 'end' as const),
  inference: fc.nat(3),
  bytes: fc.option(fc.nat(700)),
  poison: fc.nat(9).map((draw) => draw === 0),
});

/** What a gateway may do to its spool, in any order. */
export const arbitrarySteps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: frameStep as fc.Arbitrary<Step> },
    { weight: 3, arbitrary: fc.constant<Step>({ do: 'flush' }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: 'pause' }) },
  ),
  { minLength: 15, maxLength: 90, size: 'max' },
);

/** A writer under a test's control. */
export interface SpoolSession {
  readonly spoolId: string;
  readonly folder: string;
  /** Inferences whose end was acknowledged. */
  readonly recorded: ReadonlySet<string>;
  /** Those among all that ended with a record that no store takes. */
  readonly poisoned: ReadonlySet<string>;
  /** Inferences whose end was refused. */
  readonly lost: ReadonlySet<string>;
  /** An inference index begins again under a new id once it has ended; steps that make no sense do nothing. */
  run(steps: readonly Step[]): Promise<void>;
  close(): void;
}

export async function openSpoolSession(options: {
  readonly root: string;
  readonly gatewayId: string;
  readonly maxSegmentBytes: number;
  readonly files?: SegmentFiles;
}): Promise<SpoolSession> {
  let flush = () => {};
  const writer = await createSpoolWriter({
    ...options,
    maxSpoolBytes: 1_000_000,
    schedule: (work) => {
      flush = work;
    },
    nowMs: Date.now,
    randomId: randomUUID,
    onAlarm: () => {},
    probeMs: 1,
  });
  const recorded = new Set<string>();
  const lost = new Set<string>();
  const poisoned = new Set<string>();
  const ids = new Map<number, string>();
  const append = (step: FrameStep) => {
    const id = ids.get(step.inference);
    const bytes = step.bytes === null ? null : [Buffer.alloc(step.bytes, `${step.inference}`)];
    if (step.do === 'begin' && id === undefined) {
      const fresh = newInferenceId();
      ids.set(step.inference, fresh);
      writer.begin(fresh, beginRecord(), bytes);
    } else if (step.do === 'part' && id !== undefined) {
      writer.part(id, bytes?.[0] ?? Buffer.alloc(0));
    } else if (step.do === 'end' && id !== undefined) {
      ids.delete(step.inference);
      if (step.poison) poisoned.add(id);
      const figures = { inputTokens: step.bytes, totalNs: 1_000 * (step.bytes ?? 0) };
      writer.end(id, endRecord({ ...figures, ...(step.poison ? { status: 70_000 } : {}) }), bytes, (taken) =>
        (taken ? recorded : lost).add(id),
      );
    }
  };
  return {
    ...{ spoolId: writer.spoolId, folder: join(options.root, writer.spoolId), recorded, lost, poisoned },
    async run(steps) {
      for (const step of steps) {
        if (step.do === 'flush') {
          flush();
          await pause(0); // lets a shipper that runs beside us read
        } else if (step.do === 'pause') {
          await pause(2);
        } else if ('inference' in step) {
          append(step);
        }
      }
    },
    close() {
      writer.close();
      flush(); // what was refused during the close is told now
    },
  };
}
