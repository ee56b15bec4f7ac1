import { randomUUID } from 'node:crypto';
import { statSync, truncateSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FeedbackItem } from '#inference-log/feedback-record.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { failingFiles } from '#tests/support/failing-files.ts';
import { feedbackOf, reportOf } from '#tests/support/feedback.ts';
import { createMemorySink, type MemorySink, POISON_MS } from '#tests/support/memory-sink.ts';
import { beginRecord, endRecord, newInferenceId, ORGANIZATION_ID } from '#tests/support/records.ts';
import { readSpoolModel, segmentFiles, spooledReports } from '#tests/support/spool-model.ts';
import { faults, faulty, type Shipping, ship, shipping } from '#tests/support/spool-shipping.ts';

const gatewayId = randomUUID();
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rs-feedback-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** What happens at a gateway: inferences begin and end, calls report. */
type Step =
  | { readonly do: 'begin' | 'end'; readonly inference: number }
  /** A poisoned item is one that no store takes; a known one has the id of one before. */
  | { readonly do: 'report'; readonly items: readonly ('new' | 'known' | 'poison')[] }
  | { readonly do: 'flush' };

const INFERENCES = 3;
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('begin', 'end'), inference: fc.nat(INFERENCES - 1) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('report' as const),
      items: fc.array(fc.constantFrom('new', 'new', 'new', 'known', 'poison'), { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'flush' }) },
) as fc.Arbitrary<Step>;
const steps = fc.array(step, { minLength: 10, maxLength: 70, size: 'max' });

async function openSession(maxSegmentBytes: number, files?: ReturnType<typeof failingFiles>) {
  let flush = () => {};
  const writer = await createSpoolWriter({
    ...{ root, gatewayId, maxSegmentBytes, maxSpoolBytes: 1_000_000, nowMs: Date.now, randomId: randomUUID },
    ...{ onAlarm: () => {}, probeMs: 1, ...(files === undefined ? {} : { files }) },
    schedule: (work) => {
      flush = work;
    },
  });
  const open = new Map<number, string>();
  const acknowledged: FeedbackItem[] = [];
  const refused: FeedbackItem[] = [];
  const known: FeedbackItem[] = [];
  const itemOf = (kind: 'new' | 'known' | 'poison'): FeedbackItem => {
    const item = kind === 'poison' ? feedbackOf({ atMs: POISON_MS }) : feedbackOf();
    if (kind === 'known' && known.length > 0) return { ...item, id: known[0]!.id, value: 0 };
    if (kind === 'new') known.push(item);
    return item;
  };
  const run = (one: Step) => {
    if (one.do === 'flush') return flush();
    if (one.do === 'report') {
      const items = one.items.map(itemOf);
      const release = (isRecorded: boolean) => void (isRecorded ? acknowledged : refused).push(...items);
      return writer.feedback(newInferenceId(), reportOf(items), release);
    }
    const id = open.get(one.inference);
    if (one.do === 'begin' && id === undefined) {
      const fresh = newInferenceId();
      open.set(one.inference, fresh);
      writer.begin(fresh, beginRecord(), [Buffer.alloc(60)]);
    } else if (one.do === 'end' && id !== undefined) {
      open.delete(one.inference);
      writer.end(id, endRecord(), [Buffer.alloc(60)], () => {});
    }
  };
  const close = async () => {
    await writer.close();
    flush();
  };
  return { ...{ spoolId: writer.spoolId, folder: join(root, writer.spoolId), acknowledged, refused }, run, close };
}

const keyOf = ({ id }: FeedbackItem) => `${ORGANIZATION_ID} ${id}`;
const isPoison = ({ atMs }: FeedbackItem) => atMs === POISON_MS;

/** Each report is stored once, as it first came, but for those that no store takes; these are counted. */
function expectStored(sink: MemorySink, reported: readonly FeedbackItem[], lost: number) {
  const sound = reported.filter((item) => !isPoison(item));
  expect(new Set(sink.feedback.keys())).toEqual(new Set(sound.map(keyOf)));
  for (const item of sound.toReversed()) {
    const first = sound.find(({ id }) => id === item.id)!;
    expect(sink.feedback.get(keyOf(item))).toMatchObject(first);
  }
  expect(lost).toBe(reported.filter(isPoison).length);
}

/** The store takes half of a call, without its poison, and then belongs to another: the poison comes again, and counts once. */
const POISON_THEN_STALE: [Step[], number, number, Shipping, string[]] = [
  [{ do: 'report', items: ['poison', 'new'] }, { do: 'flush' }, { do: 'report', items: ['new'] }],
  ...([100, 0] as const),
  { batchRows: 1, batchBytes: 1_000, chunkBytes: 40, maxKeptFrameBytes: 0, maxKeptBytes: 0 },
  ['none', 'none', 'none', 'stale'],
];

test('wherever a crash cuts the spool, each whole call is stored, once, beside the inferences', async () => {
  const seen = { reports: 0, poison: 0, cut: 0, ended: 0 };
  const cuts = fc.double({ min: 0, max: 1, noNaN: true });
  const segmentBytes = fc.integer({ min: 100, max: 5_000 });
  await fc.assert(
    fc.asyncProperty(steps, segmentBytes, cuts, shipping, faults, async (given, bytes, cut, how, script) => {
      const session = await openSession(bytes);
      for (const one of given) session.run(one);
      await session.close();
      const last = segmentFiles(session.folder).at(-1);
      if (last !== undefined) {
        const path = join(session.folder, last);
        truncateSync(path, Math.round(statSync(path).size * cut));
      }
      const model = readSpoolModel(session.folder);
      const reports = spooledReports(session.folder);
      const sink = createMemorySink();
      let lost = 0;
      const count = (more: number) => {
        lost += more;
      };
      const spool = { root, spoolId: session.spoolId, gatewayId, how, onFeedbackLost: count };
      await ship({
        ...spool,
        sink: faulty(
          sink,
          script.filter((fault) => fault !== 'answer_lost'),
        ),
      });
      expectStored(
        sink,
        reports.flatMap(({ items }) => items),
        lost,
      );
      expect(new Set(sink.rows.keys())).toEqual(new Set([...model.ended.keys(), ...model.open]));
      expect(sink.written.length).toBe(sink.rows.size);
      // No ledger counts them.
      const totals = await sink.readLedger(gatewayId);
      expect(totals.reduce((sum, { stored, interrupted, dropped }) => sum + stored + interrupted + dropped, 0)).toBe(
        sink.rows.size,
      );
      // Once more, as after a crash before the folder was removed; and whatever commits' answers are lost.
      await ship({ ...spool, sink, onFeedbackLost: () => {} });
      expect(sink.feedback.size).toBe(
        new Set(reports.flatMap(({ items }) => items.filter((i) => !isPoison(i)).map(keyOf))).size,
      );
      seen.reports += reports.length;
      seen.poison += lost;
      seen.ended += model.ended.size;
      if (cut < 1) seen.cut++;
    }),
    { numRuns: 60, examples: [POISON_THEN_STALE] },
  );
  expect(seen.reports).toBeGreaterThan(200);
  expect(seen.poison).toBeGreaterThan(50);
  expect(seen.ended).toBeGreaterThan(50);
}, 60_000);

test('while the disk fails and comes back, what was acknowledged is stored and what was refused is not', async () => {
  const seen = { acknowledged: 0, refused: 0 };
  const limits = fc.array(fc.option(fc.nat(1500), { freq: 2, nil: undefined }), { maxLength: 40, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, limits, shipping, faults, async (given, limit, how, script) => {
      const session = await openSession(3_000, failingFiles(limit));
      const sink = createMemorySink();
      let isClosed = false;
      const shipped = ship({
        ...{ root, spoolId: session.spoolId, gatewayId, how, sink: faulty(sink, script), sealed: () => isClosed },
      });
      for (const one of given) session.run(one);
      await session.close();
      isClosed = true;
      await shipped;
      const sound = session.acknowledged.filter((item) => !isPoison(item));
      expect(new Set(sink.feedback.keys())).toEqual(new Set(sound.map(keyOf)));
      seen.acknowledged += session.acknowledged.length;
      seen.refused += session.refused.length;
    }),
    { numRuns: 50 },
  );
  expect(seen.acknowledged).toBeGreaterThan(100);
  expect(seen.refused).toBeGreaterThan(100);
}, 60_000);
