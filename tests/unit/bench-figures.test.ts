import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compare, type Measured, spreadOf } from '../../bench/load/alternating.ts';
import { parseStat } from '../../bench/load/cpu-time.ts';
import { spreadRequests } from '../../bench/load/spread.ts';
import { percentile } from '../../bench/load/statistics.ts';
import { summarize } from '../../bench/micro/pair.ts';

const measured = (requestsPerS: number, requestsPerCpuS: number): Measured => ({
  ...{ requests: 1, p50Ms: 1, p99Ms: 1, failures: 0 },
  ...{ requestsPerS, requestsPerCpuS },
});

describe('figures of the benchmark', () => {
  test('the CPU time of a thread, whatever its name', () => {
    const rest = 'S 1 2 2 0 -1 4194624 10 0 0 0 150 25 0 0 20 0 12 0 100 1000 10 18446744073709551615';
    expect(parseStat(`17 (gateway-0) ${rest}`)).toMatchObject({ name: 'gateway-0', ticks: 175 });
    expect(parseStat(`17 (a) b (c) ${rest}`)).toMatchObject({ name: 'a) b (c', ticks: 175 });
  });

  test('percentiles are values that were measured', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([percentile(values, 50), percentile(values, 99), percentile(values, 100)]).toEqual([50, 99, 100]);
    expect(percentile([7], 99)).toBe(7);
  });

  test('sides are compared round by round: drift that meets both cancels out', () => {
    const theirs = [measured(100, 10), measured(200, 20), measured(400, 40)];
    const ours = [measured(90, 10), measured(180, 22), measured(440, 36)];
    const rate = compare(ours, theirs, 'requestsPerS');
    expect(rate).toEqual({ ours: 180, theirs: 200, ratio: 0.9, lowest: 0.9, highest: 1.1 });
    expect(spreadOf(rate, 3)).toBe('0.90 to 1.10 × over 3 rounds');
    expect(compare(ours, theirs, 'requestsPerCpuS').ratio).toBe(1);
  });

  test('nanoseconds become ratios, and figures per byte where bytes matter', () => {
    expect(summarize({ name: 'a', naiveName: 'b' }, 50, 100)).toMatchObject({ ratio: 2, perByte: null });
    expect(summarize({ name: 'a', naiveName: 'b', bytes: 2_000 }, 1_000, 4_000).perByte).toEqual({
      ...{ bytes: 2_000, oursNsPerKb: 500, naiveNsPerKb: 2_000 },
      ...{ oursMbPerS: 2_000, naiveMbPerS: 500 },
    });
  });

  test('values that take turns have one length', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ringside-spread-'));
    try {
      const { placeholder } = await spreadRequests(folder, 'values.txt', ['one', 'two']);
      expect(placeholder).toHaveLength(3);
      expect(await readFile(join(folder, 'values.txt'), 'utf8')).toBe('one\ntwo\n');
      for (const values of [[], ['one', 'three'], ['a\nb']])
        await expect(spreadRequests(folder, 'bad.txt', values)).rejects.toThrow('one length');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
