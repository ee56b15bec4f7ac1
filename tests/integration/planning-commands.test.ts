import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseExportOptions } from '#cli/export/options.ts';
import { parsePlanOptions } from '#cli/plan.ts';
import { parseReplayOptions } from '#cli/replay.ts';
import { UsageError } from '#cli/usage-error.ts';
import { seedGroup, startTestControlPlane, type TestControlPlane } from '#tests/support/control-plane.ts';
import { plantInference } from '#tests/support/planted-inferences.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');

let control: TestControlPlane;
let token: string;

beforeAll(async () => {
  control = await startTestControlPlane();
  const api = await control.owner('acme');
  token = api.token;
  await seedGroup(api);
  const groupId = (await api('GET', '/groups/demo')).body.id;
  for (let unit = 0; unit < 40; unit++) {
    await plantInference(control.admin, {
      ...{ groupId, organizationId: api.organizationId, atMs: Date.now() - 3_600_000 - unit * 1_000 },
      row: { unit: `u${unit}`, bucket: unit * 200, output_tokens: unit },
    });
  }
});
afterAll(() => control.stop());

async function ringside(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [LAUNCHER, ...args], {
    env: { ...process.env, RINGSIDE_CONTROL_URL: control.url, RINGSIDE_ADMIN_TOKEN: token },
  });
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]);
  return { code, out, err };
}

describe('ringside replay', () => {
  test('says what would have moved, as a table and as JSON', async () => {
    const args = ['replay', '--group', 'demo', '--weights', 'a=5000,b=5000', '--since', '24h'];
    const table = await ringside(...args);
    expect(table.code).toBe(0);
    expect(table.out).toMatch(/demo, .* 40 inferences, \d+ of them would have moved/);
    expect(table.out).toContain('"b" had too few units');
    // All took the same time and none failed: that is no certainty about others.
    const same = await ringside('replay', '--group', 'demo', '--weights', 'a=10000,b=0', '--since', '24h');
    expect(same.out).toMatch(/^errors .*0\.00 % \(no interval: it did not vary\)$/m);
    const json = JSON.parse((await ringside(...args, '--json')).out);
    expect(json.inferences).toBe(40);
    expect(json.moved).toBeGreaterThan(0);
  });

  test('what the API refuses is one line, and ends with 1; what is called wrongly ends with 2', async () => {
    const { code, err } = await ringside('replay', '--group', 'demo', '--weights', 'c=1');
    expect(code).toBe(1);
    expect(err).toContain('no variant with the model "c"');
    const wrong = [['rollout', 'show'], ['verify-log', '--ids', 'all'], ['dance']];
    const ended = await Promise.all(wrong.map((args) => ringside(...args)));
    expect(ended.map((each, at) => [wrong[at], each.code, each.out])).toEqual(wrong.map((args) => [args, 2, '']));
    for (const each of ended) expect(each.err).toMatch(/^ringside: \S/);
  }, 20_000);

  test('times before now and moments', () => {
    const nowMs = Date.parse('2030-01-02T00:00:00Z');
    const options = (since: string) =>
      parseReplayOptions(['--group', 'g', '--weights', 'a=1', '--since', since], nowMs);
    expect(options('24h').query['since']).toBe('2030-01-01T00:00:00.000Z');
    expect(options('2029-12-01T00:00:00Z').query['since']).toBe('2029-12-01T00:00:00Z');
  });

  test.each([
    [['--weights', 'a=1'], '--group'],
    [['--group', 'g'], '--weights'],
    [['--group', 'g', '--weights', 'a=1', '--latency-objective', 'soon'], '--latency-objective'],
    [['--nonsense'], 'nonsense'],
  ])('%j is refused with the name of the option', (args, name) => {
    expect(() => parseReplayOptions(args, 0)).toThrow(name);
    expect(() => parseReplayOptions(args, 0)).toThrow(UsageError);
  });
});

describe('ringside plan', () => {
  test('plans from the traffic that there was', async () => {
    const { code, out } = await ringside('plan', '--group', 'demo', '--metric', 'output_tokens', '--duration', '7d');
    expect(code).toBe(0);
    expect(out).toContain('40 units');
    expect(out).toMatch(/looking all the time, decided with the power asked for\s+[\d.]+ %/);
    expect(out).toContain('smallest effect');
    expect(out).toMatch(/effect for duration 7.00 days, weight 50 %:/);
    const absolute = await ringside('plan', '--group', 'demo', '--metric', 'latency', '--absolute');
    expect(absolute.out).toMatch(/latency of a: 2 ms\n\n"latency" was the same for all units/);
    expect(out).toMatch(/with --planned-units \d{3,}\./);
  });

  test('reads per cent, times and weights', () => {
    const { query } = parsePlanOptions(['--group', 'g', '--effect', '5%', '--weight', '10%', '--history', '12h']);
    expect(query).toMatchObject({ effect: '0.05', weightBp: '1000', historyDays: '0.5', relative: 'true' });
    expect(() => parsePlanOptions(['--group', 'g', '--weight', 'much'])).toThrow(/^--weight/);
    expect(() => parsePlanOptions(['--group', 'g', '--weight', 'much'])).toThrow(UsageError);
    expect(() => parseExportOptions(['--out', 'x', '--format', 'xml'])).toThrow(UsageError);
    expect(parsePlanOptions(['--group', 'g', '--effect', '50ms', '--absolute']).query['effect']).toBe('50000');
  });
});
