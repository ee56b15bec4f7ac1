import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CUT, missingFacts, WHOLE } from '#core/capture-facts.ts';
import { SEGMENT_FILES } from '#inference-log/segments.ts';
import type { SpoolWriter } from '#inference-log/spool.ts';
import { listSegments, removeSegmentsBefore } from '#inference-log/spool-folder.ts';
import { DEFAULT_TERMS, type SpoolTerms } from '#inference-log/spool-terms.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';
import { type CountedAccounts, countAccounts } from '#tests/support/spool-accounts.ts';
import { metasOf, readSpoolModel } from '#tests/support/spool-model.ts';
import { waitFor } from '#tests/support/wait.ts';

const SHED = DEFAULT_TERMS;
const UNLOGGED: SpoolTerms = { ...DEFAULT_TERMS, whenSpoolFull: 'serve-unlogged' };
const METADATA: SpoolTerms = { ...DEFAULT_TERMS, whenSpoolFull: 'metadata-only' };
const BOUND_BYTES = 200_000;

let root: string;
let writer: SpoolWriter;
let accounts: CountedAccounts;
let alarms: string[];
let isDiskFull: boolean;
let probes: number;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rs-full-'));
  [accounts, alarms, isDiskFull, probes] = [countAccounts(), [], false, 0];
  const refuse = () => {
    if (isDiskFull) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  };
  writer = await createSpoolWriter({
    ...{ root, gatewayId: randomUUID(), maxSpoolBytes: BOUND_BYTES, nowMs: Date.now, randomId: randomUUID },
    ...{ accounts, probeMs: 2, onAlarm: (code) => void alarms.push(code) },
    files: {
      ...SEGMENT_FILES,
      writev(fd, buffers) {
        refuse();
        return SEGMENT_FILES.writev(fd, buffers);
      },
      tryOut(path, bytes) {
        probes++;
        refuse();
        SEGMENT_FILES.tryOut(path, bytes);
      },
    },
  });
});
afterEach(async () => {
  await writer.close();
  await rm(root, { recursive: true, force: true });
});

const model = () => readSpoolModel(join(root, writer.spoolId));

function begin(terms: SpoolTerms): string {
  const id = newInferenceId();
  writer.begin(id, beginRecord({ requestFacts: WHOLE }), [Buffer.alloc(5_000, 'q')], terms);
  return id;
}

function end(id: string, terms: SpoolTerms): Promise<boolean> {
  const record = endRecord({ responseFacts: CUT.limit });
  return new Promise((release) => writer.end(id, record, [Buffer.alloc(5_000, 'r')], release, terms));
}

/** What the frames of an inference say of its bodies. */
function factsOf(id: string): { requestFacts?: number; responseFacts?: number } {
  return Object.assign({}, ...metasOf(join(root, writer.spoolId), id));
}

const whole = (terms: SpoolTerms) => end(begin(terms), terms);

async function fill(): Promise<void> {
  while (writer.accepting) await whole(SHED);
}

/** As the shipper does when everything before the current segment is stored. */
const drain = async () => {
  const folder = join(root, writer.spoolId);
  const current = (await listSegments(folder))!.at(-1)!;
  await removeSegmentsBefore(folder, { segment: current.number, offset: 0 });
};

test('at the bound each policy has its way, with one alarm, and all is as before once it is drained', async () => {
  const underWay = begin(SHED);
  await fill();
  const stored = accounts.counts.written;
  expect(alarms).toEqual(['spool_full']);
  expect([SHED, UNLOGGED, METADATA].map((terms) => writer.accepts(terms))).toEqual([false, true, true]);
  expect(await whole(UNLOGGED)).toBe(true);
  expect(accounts.losses.unlogged).toBe(1);
  const id = begin(METADATA);
  writer.part(id, Buffer.from('a part'), METADATA);
  expect(await end(id, METADATA)).toBe(true);
  expect(model().ended.get(id)).toBeNull();
  const spoolFull = missingFacts('spool_full');
  expect(factsOf(id)).toMatchObject({ requestFacts: spoolFull, responseFacts: spoolFull });
  expect(accounts.counts).toMatchObject({ written: stored + 1, withoutPayload: 1 });
  // What was accepted before may end, with all that belongs to it.
  expect(await end(underWay, SHED)).toBe(true);
  expect(model().ended.get(underWay)).toHaveLength(5_000);
  expect(alarms).toEqual(['spool_full']);
  await drain();
  await waitFor('the spool to accept', () => writer.accepting);
  expect(alarms).toEqual(['spool_full', 'spool_recovered']);
  const after = begin(METADATA);
  expect(await end(after, METADATA)).toBe(true);
  expect(model().ended.get(after)).toHaveLength(5_000);
  expect(factsOf(after)).toMatchObject({ requestFacts: WHOLE, responseFacts: CUT.limit });
  expect(accounts.inFlight()).toBe(0);
});

test('when the reserve for metadata is used up, they are refused, too; one alarm says so', async () => {
  await fill();
  let recorded = 0;
  while (writer.accepts(METADATA)) {
    expect(await whole(METADATA)).toBe(true);
    recorded++;
  }
  expect(recorded).toBeGreaterThan(3);
  expect(accounts.counts.withoutPayload).toBe(recorded);
  expect(alarms).toEqual(['spool_full', 'spool_reserve_full']);
  expect(writer.accepts(UNLOGGED)).toBe(true);
  const probesSoFar = probes;
  await waitFor('probes to go by', () => probes >= probesSoFar + 3);
  expect(alarms).toEqual(['spool_full', 'spool_reserve_full']);
  await drain();
  await waitFor('the spool to accept', () => writer.accepts(METADATA));
  expect(await whole(METADATA)).toBe(true);
  expect(alarms).toEqual(['spool_full', 'spool_reserve_full', 'spool_recovered']);
});

test('a disk that refuses writes has no reserve: metadata are refused like everything, unlogged answers go on', async () => {
  const [shed, unlogged] = [begin(SHED), begin(UNLOGGED)];
  await whole(SHED);
  isDiskFull = true;
  expect(await Promise.all([end(shed, SHED), end(unlogged, UNLOGGED)])).toEqual([false, true]);
  expect([SHED, UNLOGGED, METADATA].map((terms) => writer.accepts(terms))).toEqual([false, true, false]);
  expect(await whole(UNLOGGED)).toBe(true);
  // The two are open in the file: a stop now would make them interrupted rows, so they are not dropped yet.
  expect([accounts.losses.write_failed, accounts.losses.unlogged, accounts.inFlight()]).toEqual([0, 1, 2]);
  expect(alarms).toEqual(['spool_write_failed']);
  isDiskFull = false;
  await waitFor('the spool to accept', () => writer.accepting);
  expect(alarms).toEqual(['spool_write_failed', 'spool_recovered']);
  await waitFor('the drop frames', () => model().open.size === 0);
  expect([accounts.losses.write_failed, accounts.inFlight()]).toEqual([2, 0]);
});

test('a closed spool takes nothing, whatever the policy', async () => {
  await writer.close();
  expect([SHED, UNLOGGED, METADATA].map((terms) => writer.accepts(terms))).toEqual([false, false, false]);
  expect(await Promise.all([whole(SHED), whole(METADATA)])).toEqual([false, false]);
  expect(accounts.losses.closed).toBe(2);
});
