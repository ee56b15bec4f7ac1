import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEAD_LETTER_FOLDER, writeDeadLetters } from '#inference-log/dead-letters.ts';
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
