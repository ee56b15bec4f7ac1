import { appendFile, type FileHandle, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DEAD_LETTER_FOLDER, type DeadLetter, writeDeadLetters } from '#inference-log/dead-letters.ts';
import type { ShipItem } from '#inference-log/ship-item.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rs-letters-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const position = { segment: 1, offset: 0 };
const dropped = (id: string): ShipItem => ({
  ...{ id, shipped: position, scan: undefined, bytes: 1, frames: [] },
  content: { kind: 'dropped', groupId: 'g', reason: 'because' },
});
const path = () => join(root, DEAD_LETTER_FOLDER, 's.jsonl');
const idsIn = async () => {
  const lines = (await readFile(path(), 'utf8')).split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line).id);
};

test('letters are appended, one line each', async () => {
  expect(await writeDeadLetters(root, 's', 'gateway', [dropped('a'), dropped('b')])).toMatchObject({ letters: 2 });
  expect(await writeDeadLetters(root, 's', 'gateway', [dropped('c')])).toMatchObject({ letters: 1 });
  expect(await idsIn()).toEqual(['a', 'b', 'c']);
});

test.each([10, 200_000])('half a line of %i bytes, as a crash leaves it, does not spoil the next', async (bytes) => {
  await writeDeadLetters(root, 's', 'gateway', [dropped('a')]);
  await appendFile(path(), `{"id":"${'x'.repeat(bytes)}`);
  await writeDeadLetters(root, 's', 'gateway', [dropped('b')]);
  expect(await idsIn()).toEqual(['a', 'b']);
});

test('a file that holds nothing but half a line begins anew', async () => {
  await mkdir(join(root, DEAD_LETTER_FOLDER));
  await writeFile(path(), '{"id":"x');
  await writeDeadLetters(root, 's', 'gateway', [dropped('a')]);
  expect(await idsIn()).toEqual(['a']);
});

const captured = (id: string): ShipItem => ({
  ...dropped(id),
  frames: [
    { type: 'begin', id, meta: Buffer.from('{}'), payload: Buffer.from('what was asked') },
    { type: 'end', id, meta: Buffer.from('{}'), payload: null },
  ],
});

/** Has each line of which `fails` is true stop half-way, with this error. */
async function failLines(code: string, fails: (line: string) => boolean): Promise<void> {
  const handle = await open(join(root, 'any'), 'w');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const whole = prototype.appendFile;
  vi.spyOn(prototype, 'appendFile').mockImplementation(async function (this: FileHandle, data) {
    if (!fails(String(data))) return whole.call(this, data);
    await whole.call(this, (data as Buffer).subarray(0, 20));
    throw Object.assign(new Error(code), { code });
  });
}
afterEach(() => void vi.restoreAllMocks());

const hasPayload = (line: string) => line.includes('"payload":"');
const lettersIn = async () => {
  const lines = (await readFile(path(), 'utf8')).split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as DeadLetter);
};

test.each([
  'ENOSPC',
  'EDQUOT',
  'EFBIG',
])('a letter for which there is no room (%s) goes without its payloads, and says so', async (code) => {
  await failLines(code, (line) => line.includes('"id":"b"') && hasPayload(line));
  const items = ['a', 'b', 'c'].map(captured);
  expect(await writeDeadLetters(root, 's', 'gateway', items)).toEqual({
    ...{ letters: 3, withoutPayloads: 1, failure: undefined },
  });
  const [first, bare, last] = await lettersIn();
  for (const whole of [first, last]) {
    expect(whole!.withoutPayloads).toBeUndefined();
    expect(whole!.frames[0]!.payload).toBe(Buffer.from('what was asked').toString('base64'));
  }
  expect(bare).toMatchObject({ id: 'b', withoutPayloads: true, reason: 'because' });
  expect(bare!.frames).toEqual([
    { type: 'begin', meta: Buffer.from('{}').toString('base64'), payload: null },
    { type: 'end', meta: Buffer.from('{}').toString('base64'), payload: null },
  ]);
});

test.each([
  'EIO',
  'EACCES',
  'EROFS',
])('a failure that is no lack of room (%s) strips nothing: the letter waits, and those behind it', async (code) => {
  let fails = true;
  await failLines(code, (line) => fails && line.includes('"id":"b"') && hasPayload(line));
  const items = ['a', 'b', 'c'].map(captured);
  const burial = await writeDeadLetters(root, 's', 'gateway', items);
  expect(burial).toMatchObject({ letters: 1, withoutPayloads: 0, failure: { index: 1, error: { code } } });
  expect(await idsIn()).toEqual(['a']);
  fails = false;
  expect(await writeDeadLetters(root, 's', 'gateway', items.slice(1))).toMatchObject({
    letters: 2,
    withoutPayloads: 0,
  });
  expect((await lettersIn()).map(({ id, frames }) => [id, frames[0]!.payload !== null])).toEqual([
    ['a', true],
    ['b', true],
    ['c', true],
  ]);
});

test('a letter for which there is no room even without payloads waits, and leaves no half line', async () => {
  await failLines('ENOSPC', (line) => !line.includes('"id":"a"'));
  const burial = await writeDeadLetters(root, 's', 'gateway', ['a', 'b', 'c'].map(captured));
  expect(burial).toMatchObject({ letters: 1, withoutPayloads: 0, failure: { index: 1, error: { code: 'ENOSPC' } } });
  expect(await idsIn()).toEqual(['a']);
});
