import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { rolloutCommand } from '#cli/rollout/rollout.ts';
import { parseSettings } from '#cli/settings.ts';
import { CommandError } from '#cli/start-failure.ts';
import { UsageError } from '#cli/usage-error.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { freePorts } from '#tests/support/ports.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');
let control: TestControlPlane;
let api: ApiClient;
let folder: string;

beforeAll(async () => {
  control = await startTestControlPlane({ jobTimes: { rolloutsMs: 3_600_000 } });
  api = await control.owner('acme');
  await seedGroup(api);
  folder = await mkdtemp(join(tmpdir(), 'rs-rollout-'));
  const credentials = { adminToken: api.token, controlUrl: control.url };
  await writeFile(join(folder, 'credentials.json'), JSON.stringify(credentials));
});
afterAll(async () => {
  await control.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command as a process of its own. */
function ringside(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  const all: NodeJS.ProcessEnv = { ...process.env, RINGSIDE_DATA_DIR: folder, ...env };
  return new Promise((done) => {
    execFile(process.execPath, [LAUNCHER, 'rollout', ...args], { env: all }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** The same in this process, which starts no other; one at a time. */
async function rollout(args: readonly string[]): Promise<Run> {
  let stdout = '';
  const written = vi.spyOn(process.stdout, 'write').mockImplementation((piece) => {
    stdout += String(piece);
    return true;
  });
  try {
    await rolloutCommand(parseSettings({ RINGSIDE_DATA_DIR: folder }), args);
    return { code: 0, stdout, stderr: '' };
  } catch (error) {
    if (!(error instanceof CommandError || error instanceof UsageError)) throw error;
    return { code: error instanceof UsageError ? 2 : 1, stdout, stderr: `ringside: ${error.message}\n` };
  } finally {
    written.mockRestore();
  }
}

const CANARY = ['--group', 'demo', '--challenger', 'b', '--steps', '5%:1h,50%:1h'];

test('a rollout from the draft to its end', async () => {
  const made = await rollout(['create', ...CANARY, '--name', 'r1', '--json']);
  expect(made).toMatchObject({ code: 0, stderr: '' });
  const { id } = JSON.parse(made.stdout) as { id: string };
  const started = await rollout(['start', 'r1', '--reason', 'the release is out']);
  expect(started).toMatchObject({ code: 0, stderr: '' });
  expect(started.stdout).toMatch(/^state\s+ramping, for /m);
  expect(started.stdout).toMatch(/^step\s+1 of 2, 5 %$/m);
  expect(started.stdout).toMatch(/^weights\s+a 95 %, b 5 %$/m);
  expect((await rollout(['pause', id, '--reason', 'lunch'])).stdout).toMatch(/^state\s+ramping, paused/m);
  const listed = await rollout(['list', '--state', 'active', '--group', 'demo']);
  expect(listed.stdout.split('\n')).toEqual([
    expect.stringMatching(/^name\s+group\s+state\s+strategy\s+challengers\s+for$/),
    expect.stringMatching(/^r1\s+demo\s+ramping, paused\s+canary\s+b 5 %\s+/),
    '',
  ]);
  const watching = ringside(['watch', 'r1']);
  expect((await rollout(['rollback', 'r1', '--reason', 'no good'])).code).toBe(0);
  const watched = await watching;
  expect(watched).toMatchObject({ code: 1, stderr: '' }); // it was not promoted
  expect(watched.stdout).toContain('ramping → rolled_back');
  const story = await rollout(['transitions', 'r1']);
  expect(story.stdout.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^20\S+ {2}start\s+draft → ramping \[.*b 5 %.*\]: the release is out \(admin-token:/),
    expect.stringMatching(/pause\s+ramping: lunch/),
    expect.stringMatching(/rollback\s+ramping → rolled_back \[.*\]: no good/),
  ]);
  const shown = JSON.parse((await rollout(['show', 'r1', '--json'])).stdout) as object;
  expect(shown).toEqual((await api('GET', `/rollouts/${id}`)).body);
});

test('a file is sent as it is, and a group goes back without a rollout', async () => {
  const file = join(folder, 'rollout.json');
  const plan = { strategy: { kind: 'direct' }, webhooks: [{ hook: 'on-end', url: 'https://example.com/x' }] };
  await writeFile(file, JSON.stringify({ group: 'demo', name: 'filed', challengers: ['b'], plan }));
  const made = await rollout(['create', '-f', file]);
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(made.stdout).toMatch(/^state\s+draft/m);
  expect(made.stdout).toMatch(/^secret\s+rsw_\S{43} signs/m);
  await api('PATCH', '/groups/demo/weights', { a: 5_000, b: 5_000 });
  expect(await rollout(['rollback', '--group', 'demo'])).toMatchObject({
    ...{ code: 0, stdout: 'a  champion  90 %\nb  challenger  10 %\n' },
  });
});

test('freezes, calls to webhooks, and drafts that go', async () => {
  const made = await rollout(['freeze', '--for', '2d', '--group', 'demo', '--reason', 'holidays']);
  expect(made).toMatchObject({ code: 0, stderr: '' });
  const { items } = (await api('GET', '/freeze-windows')).body;
  expect(Date.parse(items[0].endsAt) - Date.parse(items[0].startsAt)).toBeCloseTo(172_800_000, -4);
  const listed = await rollout(['freezes']);
  expect(listed.stdout).toMatch(new RegExp(`^${items[0].id}\\s+demo .* now\\s+holidays$`, 'm'));
  expect(await rollout(['unfreeze', items[0].id])).toEqual({ code: 0, stdout: '', stderr: '' });
  expect((await rollout(['webhooks', 'filed'])).stdout).toBe('no calls\n');
  expect(await rollout(['delete', 'filed'])).toEqual({ code: 0, stdout: '', stderr: '' });
  expect((await api('GET', '/rollouts/filed')).status).toBe(404);
});

test('what is wrong is said in lines, with 1', async () => {
  const refusals: [string[], RegExp][] = [
    [
      ['create', ...CANARY.slice(0, 4), '--steps', '50%:1h,50%'],
      /^ringside: plan\.strategy\.steps\[1\]\.weightBp: must be greater/,
    ],
    [['create', '--group', 'nowhere', '--challenger', 'b', '--strategy', 'direct'], /there is no group "nowhere"/],
    [['show', 'nobody'], /There is no rollout "nobody"/],
    [['pause', 'r1'], /Nothing can be ordered of it any more\.$/m],
  ];
  for (const [args, message] of refusals) {
    const run = await rollout(args);
    expect(run, args.join(' ')).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr, args.join(' ')).toMatch(message);
    expect(run.stderr, args.join(' ')).not.toMatch(/^ {4}at /m);
  }
  const several = await ringside([
    'create',
    '--group',
    'demo',
    '--challenger',
    'a',
    '--challenger',
    'z',
    '--strategy',
    'direct',
  ]);
  expect(several.stderr.split('\n').slice(0, 3)).toEqual([
    'ringside: it was refused:',
    expect.stringMatching(/^ {2}challengers\[0\]: "a" is the champion/),
    '  challengers[1]: there is no model "z"',
  ]);
});

test('help needs no server, and a server that is away is said so', async () => {
  const [port] = await freePorts(1);
  const gone = { RINGSIDE_CONTROL_URL: `http://127.0.0.1:${port}` };
  expect(await ringside(['--help'], gone)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('watch <rollout>'),
  });
  expect((await ringside(['create', '--help'], gone)).stdout).toContain('--shadow-first');
  const away = await ringside(['list'], gone);
  expect(away).toMatchObject({ code: 1, stdout: '' });
  expect(away.stderr).toMatch(
    /^ringside: the control API at http:\/\/127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/,
  );
});
