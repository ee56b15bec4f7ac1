import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Stack, startStack, waitForInferences } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

const UNITS = 10_000;
const CONCURRENCY = 64;

let stack: Stack;
let key: string;

beforeAll(async () => {
  stack = await startStack();
  key = await stack.createGroup('split', { champ: 9_000, chall: 1_000 });
});
afterAll(() => stack.stop());

/** Runs `work` for 0 … count−1, a bounded number at a time. */
async function forEach(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

/** One request per unit; the variant that answered each. */
async function askAll(): Promise<string[]> {
  const variants = new Array<string>(UNITS);
  await forEach(UNITS, async (index) => {
    const answer = await stack.chat(key, { model: 'split' }, { 'x-ringside-unit': `unit-${index}` });
    if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
    variants[index] = answer.headers.get('x-ringside-variant')!;
    await answer.arrayBuffer();
  });
  return variants;
}

const count = (variants: readonly string[], name: string) => variants.filter((variant) => variant === name).length;

/** log of the binomial coefficient, by Stirling's series for the log-gamma function. */
function logChoose(n: number, k: number): number {
  const logFactorial = (m: number) => {
    if (m < 2) return 0;
    const x = m + 1;
    return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * x) - 1 / (360 * x ** 3);
  };
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/** The central interval of a binomial count with probability ≥ 1 − 2·tail, summed exactly. */
function binomialBounds(n: number, p: number, tail: number): [number, number] {
  const mass = (k: number) => Math.exp(logChoose(n, k) + k * Math.log(p) + (n - k) * Math.log(1 - p));
  let low = 0;
  for (let sum = mass(0); sum < tail; sum += mass(++low));
  let high = n;
  for (let sum = mass(n); sum < tail; sum += mass(--high));
  return [low, high];
}

describe('a weighted split of 10 000 units', () => {
  let first: string[];
  let second: string[];
  let rows: Record<string, unknown>[];

  test('lands within the exact binomial bounds, and the challenger is asked for nothing else', async () => {
    first = await askAll();
    const [low, high] = binomialBounds(UNITS, 0.1, 1e-6);
    expect(count(first, 'chall')).toBeGreaterThanOrEqual(low);
    expect(count(first, 'chall')).toBeLessThanOrEqual(high);
    expect(count(first, 'champ') + count(first, 'chall')).toBe(UNITS);
    const received = (await (await fetch(`${stack.simulatorUrl}/_sim/requests?limit=1`)).json()) as {
      byModel: Record<string, number>;
    };
    expect(received.byModel).toMatchObject({ champ: count(first, 'champ'), chall: count(first, 'chall') });
  });

  test('a change to 80/20 moves units from champion to challenger only, about a tenth of them', async () => {
    const answer = await stack.api('PATCH', '/groups/split/weights', { champ: 8_000, chall: 2_000 });
    expect(answer.status).toBe(200);
    second = await askAll();
    expect(first.filter((variant, unit) => variant === 'chall' && second[unit] !== 'chall')).toEqual([]);
    const [low, high] = binomialBounds(UNITS, 0.1, 1e-6);
    const moved = first.filter((variant, unit) => variant !== second[unit]).length;
    expect(moved).toBeGreaterThanOrEqual(low);
    expect(moved).toBeLessThanOrEqual(high);
  });

  test('every one of them is in the log with tokens, timings, variant, bucket and config version, and the row reproduces its assignment', async () => {
    rows = await waitForInferences(stack, 'split', 2 * UNITS);
    expect(rows.length).toBe(2 * UNITS);
    expect(new Set(rows.map((row) => row['id'])).size).toBe(2 * UNITS);
    const versions = [...new Set(rows.map((row) => row['configVersion'] as number))].sort((a, b) => a - b);
    expect(versions.length).toBe(2);
    for (const row of rows) {
      const unit = Number((row['unit'] as string).slice(5));
      expect(row['assignedVariant']).toBe((row['configVersion'] === versions[0] ? first : second)[unit]);
      const range = row['range'] as { from: number; to: number };
      expect(row['bucket']).toBeGreaterThanOrEqual(range.from);
      expect(row['bucket']).toBeLessThan(range.to);
      expect(row).toMatchObject({
        unitSource: 'header',
        status: 200,
        outcome: 'completed',
        errorCode: null,
        finishReason: 'stop',
      });
      expect((row['usage'] as Record<string, number>)['inputTokens']).toBeGreaterThan(0);
      expect((row['timings'] as Record<string, number>)['totalMs']).toBeGreaterThan(0);
    }
  });

  test('the ledger balances', async () => {
    const metrics = await waitFor('the ledger to balance', async () => {
      const text = await stack.metrics();
      return new RegExp(`ringside_log_stored_total\\{[^}]*group="split"\\} ${2 * UNITS}\\b`).test(text)
        ? text
        : undefined;
    });
    const value = (name: string) =>
      Number(new RegExp(`^${name}\\{[^}]*group="split"[^}]*\\} (\\S+)$`, 'm').exec(metrics)?.[1]);
    expect(value('ringside_log_accepted_total')).toBe(2 * UNITS);
    expect(value('ringside_log_recorded_total')).toBe(2 * UNITS);
    expect(value('ringside_log_spooled')).toBe(0);
    expect(value('ringside_log_in_flight')).toBe(0);
    expect(value('ringside_log_dropped_total')).toBe(0);
  });

  test('filters find exactly what they name', async () => {
    const page = async (query: string) =>
      (await stack.api<{ items: Record<string, unknown>[] }>('GET', `/inferences?group=split&limit=200&${query}`)).body
        .items;
    const challengers = await page('variant=chall');
    expect(challengers.length).toBe(200);
    expect(challengers.every((row) => row['assignedVariant'] === 'chall')).toBe(true);
    expect(await page('status=5xx')).toEqual([]);
    const middle = rows[10_000]!['createdAt'] as string;
    const older = await page(`until=${encodeURIComponent(middle)}`);
    expect(older.every((row) => (row['createdAt'] as string) <= middle)).toBe(true);
  });
});

describe('changes under load', () => {
  test('reach all workers without one failed request, and the answer to the change comes after they serve it', async () => {
    let failed = 0;
    let running = true;
    const seen = new Set<string>();
    const load = Promise.all(
      Array.from({ length: 16 }, async () => {
        while (running) {
          const answer = await stack.chat(key, { model: 'split' });
          if (answer.status !== 200) failed++;
          seen.add(answer.headers.get('x-ringside-config-version')!);
          await answer.arrayBuffer();
        }
      }),
    );
    for (let step = 0; step < 10; step++) {
      const weight = 1_000 + step * 500;
      const answer = await stack.api('PATCH', '/groups/split/weights', { champ: 10_000 - weight, chall: weight });
      expect(answer.headers.get('x-ringside-served')).toBe('1/1');
      const version = Number(answer.headers.get('x-ringside-config-version'));
      const next = await Promise.all(Array.from({ length: 20 }, () => stack.chat(key, { model: 'split' })));
      for (const reply of next) {
        expect(Number(reply.headers.get('x-ringside-config-version'))).toBeGreaterThanOrEqual(version);
        await reply.arrayBuffer();
      }
    }
    running = false;
    await load;
    expect(failed).toBe(0);
    expect(seen.size).toBeGreaterThan(3);
    const { body } = await stack.api<{ items: { snapshotVersion: number; live: boolean }[]; latestVersion: number }>(
      'GET',
      '/gateways',
    );
    expect(body.items.filter((gateway) => gateway.live).map((gateway) => gateway.snapshotVersion)).toEqual([
      body.latestVersion,
    ]);
  });
});
