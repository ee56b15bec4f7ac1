import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EmbeddedPostgres, findEmbeddedPostgres, startEmbeddedPostgres } from '#store/embedded-postgres.ts';

let root: string;
let mine: string;
let other: EmbeddedPostgres;
let hasOtherEnded = false;
const start = (folder: string) =>
  startEmbeddedPostgres({ folder, password: 'test', settings: ['fsync=off', 'full_page_writes=off'] });
const pidFile = (folder: string) => join(folder, 'data/postmaster.pid');

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rs-postmaster-'));
  mine = join(root, 'mine');
  await (await start(mine)).stop();
  other = await start(join(root, 'other'));
  void other.ended.then(() => {
    hasOtherEnded = true;
  });
});
afterAll(async () => {
  await other.stop();
  await rm(root, { recursive: true, force: true });
});

test('a server of another cluster that has the process id of ours, after a power cut, is left alone', async () => {
  const [pid] = (await readFile(pidFile(join(root, 'other')), 'utf8')).split('\n');
  await writeFile(pidFile(mine), `${pid}\n${join(mine, 'data')}\n0\n1\n`);
  expect(await findEmbeddedPostgres(mine, 'secret')).toBeUndefined();
  const server = await start(mine);
  expect(hasOtherEnded).toBe(false);
  expect(await findEmbeddedPostgres(mine, 'test')).toBe(server.databaseUrl);
  await server.stop();
});
