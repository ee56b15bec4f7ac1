import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadLocalSecrets } from '#cli/up/secrets.ts';
import { type EmbeddedPostgres, ensureDatabase, startEmbeddedPostgres } from '#store/embedded-postgres.ts';
import { migrate } from '#store/migrate.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');
let dataFolder: string;
let server: EmbeddedPostgres;
const start = async () => {
  const { postgresPassword } = await loadLocalSecrets(dataFolder);
  const options = { folder: join(dataFolder, 'postgres'), password: postgresPassword };
  server = await startEmbeddedPostgres({ ...options, settings: ['fsync=off', 'full_page_writes=off'] });
};
// What `ringside up` leaves to its services.
beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'rs-embedded-'));
  await start();
  await ensureDatabase(server.databaseUrl);
  await migrate(server.databaseUrl);
});
afterAll(async () => {
  await server.stop();
  await rm(dataFolder, { recursive: true, force: true });
});

function ringside(args: readonly string[], env: Record<string, string> = {}) {
  const all: NodeJS.ProcessEnv = { ...process.env, RINGSIDE_DATA_DIR: dataFolder, ...env };
  if (env['DATABASE_URL'] === undefined) delete all['DATABASE_URL'];
  return new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
    execFile(process.execPath, [LAUNCHER, ...args], { env: all }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test('archive and verify-log find the PostgreSQL and the archives of `ringside up` by themselves', async () => {
  expect(await ringside(['archive', 'list'])).toEqual({ code: 0, stdout: 'no archives\n', stderr: '' });
  expect(await ringside(['archive', 'verify'])).toMatchObject({ code: 0, stdout: 'no archives\n' });
  expect(await ringside(['verify-log'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/no gap\n$/) });
  // A DATABASE_URL is obeyed.
  const elsewhere = await ringside(['archive', 'list'], { DATABASE_URL: 'postgresql://x@127.0.0.1:1/x' });
  expect(elsewhere.stderr).toMatch(/the database cannot be reached: .*127\.0\.0\.1:1/);
});

test('they say so when it does not run, and give its password to nobody else', async () => {
  await server.stop();
  for (const command of [['archive', 'list'], ['verify-log']]) {
    const run = await ringside(command);
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr).toMatch(
      /^ringside: the embedded PostgreSQL of \S+ is not running: start `ringside up` there, or set DATABASE_URL\n$/,
    );
  }
  // What a kill of everything leaves behind: the id of a process that is no PostgreSQL.
  const pidFile = join(dataFolder, 'postgres/data/postmaster.pid');
  await writeFile(pidFile, `${process.pid}\n${join(dataFolder, 'postgres/data')}\n0\n1\n`);
  expect((await ringside(['archive', 'list'])).stderr).toMatch(/is not running/);
  await rm(pidFile);
  await start();
  expect(await ringside(['archive', 'list'])).toMatchObject({ code: 0 });
});

test('they say so when there is none, and make none', async () => {
  const empty = join(dataFolder, 'empty');
  await mkdir(empty);
  for (const command of [['archive', 'list'], ['verify-log']]) {
    const run = await ringside(command, { RINGSIDE_DATA_DIR: empty });
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(
      /^ringside: DATABASE_URL is not set, and \S+empty holds no PostgreSQL of `ringside up`\n$/,
    );
  }
  expect(await ringside(['--help'])).toMatchObject({
    stdout: expect.stringMatching(/archive, verify-log.*ringside up/s),
  });
});
