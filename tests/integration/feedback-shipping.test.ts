import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FeedbackItem, FeedbackWriter } from '#inference-log/feedback-record.ts';
import type { SpoolWriter } from '#inference-log/spool.ts';
import { verifyLog } from '#inference-log/verify/verify-log.ts';
import { openAudit } from '#store/log-audit.ts';
import { feedbackOf, reportOf } from '#tests/support/feedback.ts';
import { createLogRig, type LogRig } from '#tests/support/log-rig.ts';
import { POISON_MS } from '#tests/support/memory-sink.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';
import { waitFor } from '#tests/support/wait.ts';

let rig: LogRig;
beforeEach(async () => {
  rig = await createLogRig();
});
afterEach(() => rig.close());

const report = (writer: FeedbackWriter, items: readonly FeedbackItem[]) =>
  new Promise<boolean>((release) => writer.feedback(newInferenceId(), reportOf(items), release));
const storedIds = async () => {
  const rows = await rig.db.selectFrom('feedback').select('id').execute();
  return rows.map(({ id }) => id).sort();
};

async function record(writer: SpoolWriter): Promise<string> {
  const id = newInferenceId();
  writer.begin(id, beginRecord(), null);
  await new Promise((release) => writer.end(id, endRecord(), null, release));
  return id;
}

test('reports that the store refuses become dead letters of their own, counted and alarmed; their neighbours are stored', async () => {
  const writer = await rig.openWriter({ maxSegmentBytes: 3_000 });
  const [good, bad, inferences]: [string[], string[], string[]] = [[], [], []];
  for (let call = 0; call < 12; call++) {
    const items = Array.from({ length: 1 + (call % 7) }, (_, index) =>
      (call + index) % 4 === 0 ? feedbackOf({ atMs: POISON_MS }) : feedbackOf(),
    );
    for (const { id, atMs } of items) (atMs === POISON_MS ? bad : good).push(id);
    expect(await report(writer, items)).toBe(true);
    inferences.push(await record(writer));
  }
  // What no gateway writes: a frame that cannot be read, and one that says nothing.
  expect(await report(writer, [{ ...feedbackOf(), kind: 'odd' as never }])).toBe(true);
  expect(await report(writer, [])).toBe(true);
  let lost = 0;
  const shipper = await rig.startShipper(undefined, {
    onFeedbackLost: (count) => {
      lost += count;
    },
  });
  shipper.addSpool(writer.spoolId);
  await writer.close();
  await shipper.stop({ drain: true, deadlineMs: 20_000 });
  expect(await storedIds()).toEqual(good.toSorted());
  expect(await rig.storedIds()).toEqual(inferences.toSorted());
  expect(lost).toBe(bad.length + 2);
  expect(rig.alarms.some(({ code }) => code === 'dead_letter')).toBe(true);
  expect(rig.ledger().map(({ stored, dropped }) => [stored, dropped])).toEqual([[inferences.length, 0]]);
  const lines = (await readFile(join(rig.root, 'dead-letters', `${writer.spoolId}.jsonl`), 'utf8')).trim().split('\n');
  const letters = lines.map((line) => JSON.parse(line) as { id: string; frames: { type: string; meta: string }[] });
  expect(letters).toHaveLength(bad.length + 2);
  const buried = letters.flatMap(({ frames }) => {
    expect(frames).toMatchObject([{ type: 'feedback' }]);
    const { items } = JSON.parse(Buffer.from(frames[0]!.meta, 'base64').toString()) as { items: FeedbackItem[] };
    return items.flatMap(({ id, kind }) => (kind === ('odd' as never) ? [] : [id]));
  });
  expect(buried.toSorted()).toEqual(bad.toSorted());
  expect(letters.every(({ id }) => id.startsWith('feedback:'))).toBe(true);
});

test('with its connections cut again and again, every report is stored exactly once', async () => {
  const writer = await rig.openWriter({ maxSegmentBytes: 20_000 });
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  let isCutting = true;
  const cuts = (async () => {
    while (isCutting) {
      await rig.cutConnections();
      await new Promise((next) => setTimeout(next, 15));
    }
  })();
  const ids: string[] = [];
  for (let call = 0; call < 150; call++) {
    const items = Array.from({ length: 4 }, () => feedbackOf());
    ids.push(...items.map(({ id }) => id));
    await report(writer, items);
    if (call % 10 === 0) await record(writer);
  }
  isCutting = false;
  await cuts;
  await waitFor('all reports', async () => (await storedIds()).length === ids.length);
  expect(await storedIds()).toEqual(ids.toSorted());
});

test('the log verifies with reports in its spools, waiting and stored', async () => {
  const writer = await rig.openWriter({ maxSegmentBytes: 2_000 });
  for (let call = 0; call < 10; call++) {
    await report(writer, [feedbackOf(), feedbackOf()]);
    await record(writer);
  }
  const audit = openAudit(rig.databaseUrl);
  const verify = () => verifyLog({ db: audit, spoolRoot: rig.root, group: undefined, maxIds: 3, onProgress: () => {} });
  try {
    expect((await verify()).findings.filter(({ gap }) => gap)).toEqual([]);
    const shipper = await rig.startShipper();
    shipper.addSpool(writer.spoolId);
    await waitFor('all reports', async () => (await storedIds()).length === 20);
    for (let call = 0; call < 5; call++) await report(writer, [feedbackOf()]);
    expect((await verify()).findings.filter(({ gap }) => gap)).toEqual([]);
  } finally {
    await audit.destroy();
    await writer.close();
  }
});
