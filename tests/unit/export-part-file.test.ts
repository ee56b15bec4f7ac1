import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OtherExportError, openPartFile } from '#cli/export/part-file.ts';

let folder: string;
let out: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ringside-part-'));
  out = join(folder, 'rows.jsonl');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const query = { format: 'jsonl' };

/** An export that got so far and was killed. */
async function leave(text: string, saved: number, resume = false) {
  const part = await openPartFile(out, query, resume);
  await part.append(Buffer.from(text.slice(0, saved)));
  if (saved > 0) await part.save({ after: 'x', rows: saved, skipped: 0 });
  await part.append(Buffer.from(text.slice(saved)));
  await part.close();
  return part;
}

test('it goes on where it was left', async () => {
  await leave('one\ntwo\nthr', 8);
  const part = await openPartFile(out, query, true);
  expect(part.resumed).toMatchObject({ bytes: 8, rows: 8 });
  await part.append(Buffer.from('three\n'));
  await part.complete();
  expect(await readFile(out, 'utf8')).toBe('one\ntwo\nthree\n');
  expect([existsSync(`${out}.part`), existsSync(`${out}.part.json`)]).toEqual([false, false]);
});

test('one that began afresh does not go on where an older one was left', async () => {
  await leave('older rows\n', 11);
  await leave('newer rows, and more of them\n', 0);
  const part = await openPartFile(out, query, true);
  expect(part.resumed).toBeNull();
  await part.append(Buffer.from('newest\n'));
  await part.complete();
  expect(await readFile(out, 'utf8')).toBe('newest\n');
});

test('another export is not gone on with, nor one that is shorter than it was left', async () => {
  await leave('rows\n', 5);
  await expect(openPartFile(out, { format: 'csv' }, true)).rejects.toThrow(OtherExportError);
  await truncate(`${out}.part`, 3);
  await expect(openPartFile(out, query, true)).rejects.toThrow('shorter than it was left');
  await rm(`${out}.part`);
  await expect(openPartFile(out, query, true)).rejects.toThrow('is gone');
});
