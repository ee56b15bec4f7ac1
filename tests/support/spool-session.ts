import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import type { SegmentFiles } from '#inference-log/segments.ts';
import type { SpoolHold } from '#inference-log/spool-hold.ts';
import { DEFAULT_TERMS, type SpoolTerms } from '#inference-log/spool-terms.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { createFakeSyncer, type FakeSyncer } from './fake-syncer.ts';
import { beginRecord, endRecord, newInferenceId } from './records.ts';
import { type CountedAccounts, countAccounts } from './spool-accounts.ts';

interface FrameStep {
  readonly do: 'begin' | 'part' | 'end';
  readonly inference: number;
  readonly bytes: number | null;
  /** A record that no store takes. */
  readonly poison: boolean;
}
export type Step =
  | FrameStep
  | { readonly do: 'flush' | 'pause' }
  /** The sync under way ends. */
  | { readonly do: 'sync'; readonly fails: boolean };

/** Indexes of inferences that are open at a time. */
export const INFERENCES = 4;

const frameStep: fc.Arbitrary<FrameStep> = fc.record({
  do: fc.constantFrom('begin' as const, 'part' as const, 'end' as const),
  inference: fc.nat(INFERENCES - 1),
  bytes: fc.option(fc.nat(700)),
  poison: fc.nat(9).map((draw) => draw === 0),
});

/** What a gateway may do to its spool, in any order. */
export const arbitrarySteps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: frameStep as fc.Arbitrary<Step> },
    { weight: 3, arbitrary: fc.constant<Step>({ do: 'flush' }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: 'pause' }) },
    { weight: 2, arbitrary: fc.nat(3).map((draw): Step => ({ do: 'sync', fails: draw === 0 })) },
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
  readonly accounts: CountedAccounts;
  /** Those recorded on these terms. */
  acknowledged(terms: SpoolTerms): ReadonlySet<string>;
  /** How many have begun and not ended. */
  readonly open: () => number;
  /** An inference index begins again under a new id once it has ended; steps that make no sense do nothing. */
  run(steps: readonly Step[]): Promise<void>;
  /** What waits for a sync gets it. */
  close(): Promise<void>;
}

export interface SpoolSessionOptions {
  readonly root: string;
  readonly gatewayId: string;
  readonly maxSegmentBytes: number;
  readonly maxSpoolBytes?: number;
  readonly files?: SegmentFiles;
  /** By the index of the inference. */
  readonly termsOf?: (inference: number) => SpoolTerms;
  readonly hold?: SpoolHold;
  readonly syncer?: Pick<FakeSyncer, 'open' | 'finish' | 'finishAll'>;
  /** After each step. */
  readonly onStep?: () => void;
}

export async function openSpoolSession(options: SpoolSessionOptions): Promise<SpoolSession> {
  const { termsOf = () => DEFAULT_TERMS, syncer = createFakeSyncer(), maxSpoolBytes = 1_000_000, ...rest } = options;
  let flush = () => {};
  const accounts = countAccounts();
  const writer = await createSpoolWriter({
    ...rest,
    ...{ maxSpoolBytes, accounts, nowMs: Date.now, randomId: randomUUID, onAlarm: () => {}, probeMs: 1 },
    schedule: (work) => {
      flush = work;
    },
    openSyncer: syncer.open,
  });
  const recorded = new Set<string>();
  const lost = new Set<string>();
  const poisoned = new Set<string>();
  const ids = new Map<number, string>();
  const endedOn = new Map<string, SpoolTerms>();
  const append = (step: FrameStep) => {
    const id = ids.get(step.inference);
    const terms = termsOf(step.inference);
    const bytes = step.bytes === null ? null : [Buffer.alloc(step.bytes, `${step.inference}`)];
    if (step.do === 'begin' && id === undefined) {
      const fresh = newInferenceId();
      ids.set(step.inference, fresh);
      writer.begin(fresh, beginRecord(), bytes, terms);
    } else if (step.do === 'part' && id !== undefined) {
      writer.part(id, bytes?.[0] ?? Buffer.alloc(0), terms);
    } else if (step.do === 'end' && id !== undefined) {
      ids.delete(step.inference);
      endedOn.set(id, terms);
      if (step.poison) poisoned.add(id);
      const figures = { inputTokens: step.bytes, totalNs: 1_000 * (step.bytes ?? 0) };
      const release = (mayEnd: boolean) => void (mayEnd ? recorded : lost).add(id);
      writer.end(id, endRecord({ ...figures, ...(step.poison ? { status: 70_000 } : {}) }), bytes, release, terms);
    }
  };
  return {
    ...{ spoolId: writer.spoolId, folder: join(options.root, writer.spoolId), recorded, lost, poisoned, accounts },
    open: () => ids.size,
    acknowledged: (terms) => new Set([...recorded].filter((id) => endedOn.get(id) === terms)),
    async run(steps) {
      for (const step of steps) {
        if (step.do === 'flush') {
          flush();
          await pause(0); // lets a shipper that runs beside us read
        } else if (step.do === 'pause') await pause(2);
        else if ('fails' in step) syncer.finish(step.fails ? 'input/output error' : undefined);
        else if ('inference' in step) append(step);
        options.onStep?.();
      }
    },
    async close() {
      const closed = writer.close();
      syncer.finishAll();
      await closed;
      flush(); // what was refused during the close is told now
    },
  };
}
