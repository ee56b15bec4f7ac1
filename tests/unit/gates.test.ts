import { describe, expect, test } from 'vitest';
import { logBinomialTerm } from '#core/statistics/special/log-gamma.ts';
import { type Finding, type GateOptions, passes } from '#tests/gates/gate.ts';
import { GATES } from '#tests/gates/gates.ts';

/**
 * The gates with fewer runs and looks than `npm run gates` has, so that every test run has them.
 *
 * Bounds. A gate promises that something happens in at most (or at least) a share p of all experiments. Of 100 runs a right
 * implementation may show more by chance, so what is compared with is the number of runs that a share of exactly p exceeds (or falls below)
 * with a probability of less than one in a million, computed from the binomial distribution. Of promises of 5 % that is 18 runs of 100;
 * what looks again and again with a fixed-sample test declares 20 to 50 false winners in them.
 */
const OPTIONS: GateOptions = { runs: 100, looks: 20, seed: 'unit' };
const BY_CHANCE = 1e-6;

/** The longest takes two seconds of a processor; with much other work on the machine, many times that. */
const BUSY_MACHINE_MS = 180_000;

/** The most runs that happen with probability p in each, but for one case in a million. */
function mostRuns(runs: number, p: number): number {
  let tail = 0;
  let count = runs;
  for (; count > 0; count--) {
    tail += Math.exp(logBinomialTerm(count, runs - count, p, 1 - p));
    if (tail > BY_CHANCE) break;
  }
  return count;
}

/** A gate's finding with room for chance. Other figures than shares of runs have none: they are medians of what varies little. */
function withRoom(finding: Finding, runs: number): Finding {
  const { atMost, atLeast, unit } = finding;
  if (unit !== 'share') return finding;
  return {
    ...finding,
    atMost: atMost === null ? null : mostRuns(runs, atMost) / runs,
    atLeast: atLeast === null ? null : 1 - mostRuns(runs, 1 - atLeast) / runs,
  };
}

test('room for chance', () => {
  expect(mostRuns(100, 0.05)).toBe(18);
  expect(mostRuns(1, 0.05)).toBe(1);
});

describe('gates', () => {
  test.each(GATES.map((gate) => [gate.name, gate] as const))('%s', { timeout: BUSY_MACHINE_MS }, (_, gate) => {
    const findings = gate.run(OPTIONS).map((finding) => withRoom(finding, OPTIONS.runs));
    expect(findings.some(({ atMost, atLeast }) => atMost !== null || atLeast !== null)).toBe(true);
    expect(findings.filter((finding) => !passes(finding))).toEqual([]);
  });

  test('are the same to the digit when run again', () => {
    const gate = GATES.find(({ name }) => name === 'rare-events')!;
    const options = { runs: 5, looks: 5, seed: 'again' };
    expect(gate.run(options)).toEqual(gate.run(options));
  });
});
