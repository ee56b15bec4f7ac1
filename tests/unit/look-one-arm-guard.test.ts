import { describe, expect, test } from 'vitest';
import { fastGuard, fastGuardSentence, unguardedIn } from '#core/experiments/fast-guard.ts';
import type { PhaseUnits } from '#core/experiments/look.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import { type AloneFacts, allowedShareOf, errorMargin, isAlone } from '#core/experiments/one-arm-guard.ts';

import { oneArmRateE } from '#core/statistics/rate.ts';
import { createRandom } from '#simulator/random.ts';
import { definitionOf, observationOf, phaseUnits } from '#tests/support/looks.ts';

const HOUR_MS = 3_600_000;
const NO_MARGIN = { relative: false, margin: 0 };
const HISTORY = { units: 1_000, failingUnits: 1, windowMs: 24 * HOUR_MS };
const ALONE: AloneFacts = { history: HISTORY, margin: NO_MARGIN, atMs: HOUR_MS };
const GUARD = { alpha: 0.01, challengers: 1, alone: ALONE };

/** All traffic is the challenger's. */
function alone(units: number, failing: number, rest: Partial<PhaseUnits> = {}): PhaseUnits {
  return phaseUnits([0, units], { failingUnits: [0, failing], weightsBp: [0, 10_000], startedAtMs: 0, ...rest });
}

describe('what the champion’s history allows', () => {
  test('is the upper end of its interval, and the margin of error_rate', () => {
    // Wilson at 99 %, z² = 6.6349: (2 + z² + z·√(4·999/1000 + z²)) / (2·(1000 + z²))
    expect(allowedShareOf(ALONE)).toBeCloseTo(0.00846057, 7);
    expect(allowedShareOf({ ...ALONE, margin: { relative: false, margin: 0.01 } })).toBeCloseTo(0.01846057, 7);
    expect(allowedShareOf({ ...ALONE, margin: { relative: true, margin: 0.5 } })).toBeCloseTo(1.5 * 0.00846057, 7);
    expect(errorMargin(definitionOf({}))).toEqual({ relative: false, margin: 0.01 });
    expect(errorMargin(definitionOf({ guardrails: [] }))).toEqual(NO_MARGIN);
  });

  test('is never nothing, and never everything', () => {
    const spotless = { units: 10_000_000, failingUnits: 0, windowMs: HOUR_MS };
    expect(allowedShareOf({ ...ALONE, history: spotless })).toBe(0.001);
    expect(allowedShareOf({ ...ALONE, history: { units: 3, failingUnits: 3, windowMs: HOUR_MS } })).toBeNull();
    expect(allowedShareOf({ ...ALONE, history: { units: 0, failingUnits: 0, windowMs: HOUR_MS } })).toBeNull();
    expect(allowedShareOf({ ...ALONE, history: null })).toBeNull();
  });
});

describe('the fast guard of a challenger that is alone', () => {
  test('is the one-arm e-value against that share, with the parts of α of the first phase and the first window', () => {
    const p0 = allowedShareOf(ALONE)!;
    const plain = oneArmRateE({ events: 6, n: 100, p0, side: 'greater' });
    if (plain.kind === 'refused') throw new Error(plain.reason);
    const guard = fastGuard([alone(100, 6)], 1, GUARD);
    expect(guard).toMatchObject({ kind: 'one_arm', threshold: 100, units: 100, failingUnits: 6, history: HISTORY });
    expect(guard.eValue).toBeCloseTo(0.8 * 0.8 * plain.eValue, 6);
  });

  test('fires on a challenger that fails, within a few units', () => {
    const guard = fastGuard([alone(6, 5)], 1, GUARD);
    expect(guard.fired).toBe(true);
    expect(fastGuardSentence(guard)).toMatch(
      /^Fast guard fired: 5 of 6 units failed, where 0.846 % are allowed after 1 of the champion's 1 000 in the 24 h before: .* 100 suffices\.$/,
    );
  });

  test('is silent about a few failing units, and about a challenger as good as the champion', () => {
    expect(fastGuard([alone(4, 4)], 1, GUARD).fired).toBe(false);
    expect(fastGuard([alone(10_000, 10)], 1, GUARD).fired).toBe(false);
  });

  test('allows more the longer units have had time to come back', () => {
    const later = (hours: number) =>
      fastGuard([alone(1_000, 30)], 1, { ...GUARD, alone: { ...ALONE, atMs: hours * HOUR_MS } });
    expect(later(24)).toMatchObject({ fired: true, allowedShare: allowedShareOf(ALONE) });
    expect(later(25)).toMatchObject({ allowedShare: allowedShareOf(ALONE, 2) });
    expect(later(24 * 4).fired).toBe(false);
  });

  test('is not used where the champion serves beside it, nor before there is a history', () => {
    const even = phaseUnits([500, 500], { failingUnits: [100, 100], weightsBp: [5_000, 5_000] });
    expect(fastGuard([even], 1, GUARD)).toMatchObject({ kind: 'two_arm', fired: false });
    const last = phaseUnits([10, 990], { failingUnits: [0, 200], weightsBp: [100, 9_900], startedAtMs: 0 });
    expect(fastGuard([last], 1, GUARD)).toMatchObject({ kind: 'one_arm', fired: true });
    const blind = { ...GUARD, alone: { ...ALONE, history: null } };
    expect(fastGuard([last], 1, blind)).toMatchObject({ kind: 'two_arm', fired: false });
    expect(fastGuard([alone(100, 100)], 1, blind)).toMatchObject({ kind: 'two_arm', eValue: 0.8, fired: false });
  });

  test('where the champion has less than a tenth', () => {
    expect([isAlone(0, 10_000), isAlone(999, 9_001), isAlone(1_000, 9_000), isAlone(0, 0)]).toEqual([
      ...[true, true, false, false],
    ]);
  });
});

/** Units that come back, each failing at any request with chance `rate`; the challenger is the champion's equal. */
function falseAlarms(runs: number, rate: number): number {
  let alarms = 0;
  for (let run = 0; run < runs; run++) {
    const random = createRandom(`run-${run}`);
    const [units, perWindow, windows] = [300, 3, 3];
    const failing = new Set<number>();
    const seen = new Set<number>();
    const serve = () => {
      const unit = Math.floor(random() * units);
      seen.add(unit);
      if (random() < rate) failing.add(unit);
    };
    for (let call = 0; call < units * perWindow; call++) serve();
    const history = { units: seen.size, failingUnits: failing.size, windowMs: HOUR_MS };
    seen.clear();
    failing.clear();
    for (let call = 1; call <= units * perWindow * windows; call++) {
      serve();
      if (call % 20 !== 0) continue;
      const atMs = (call / (units * perWindow)) * HOUR_MS;
      const options = { alpha: 0.05, challengers: 1, alone: { history, margin: NO_MARGIN, atMs } };
      if (!fastGuard([alone(seen.size, failing.size)], 1, options).fired) continue;
      alarms++;
      break;
    }
  }
  return alarms;
}

test('false alarms about a challenger that is the champion’s equal stay below α, however often one looks', () => {
  expect(falseAlarms(400, 0.02)).toBeLessThanOrEqual(400 * 0.05);
});

describe('a look', () => {
  const definition = definitionOf({ guardrails: [{ metric: 'error_rate', margin: 0.01 }] });
  const at = (changes: object) =>
    lookAt(definition, observationOf({ metrics: {}, phases: [alone(60, 58)], ...changes }));

  test('shows the guard and what it goes by, and judges by it', () => {
    const [comparison] = at({ history: HISTORY }).comparisons;
    expect(comparison).toMatchObject({ verdict: 'champion_better', fastGuard: { kind: 'one_arm', fired: true } });
    expect(comparison!.unguarded).toBeNull();
    expect(comparison!.reasons[0]).toContain('58 of 60 units failed');
  });

  test('says why there is none', () => {
    const [comparison] = at({ history: null }).comparisons;
    expect(comparison).toMatchObject({ fastGuard: null, verdict: 'insufficient_data' });
    expect(comparison!.unguarded).toContain('no champion serves beside "new"');
    expect(comparison!.reasons).toContain(comparison!.unguarded);
    const brief = { ...ALONE, history: { units: 100, failingUnits: 20, windowMs: 60_000 }, atMs: 60_000 };
    expect(unguardedIn(alone(1, 0), 1, 'new', brief)).toBeNull();
    expect(unguardedIn(alone(1, 0), 1, 'new', { ...brief, atMs: 10 * 60_000 })).toContain('is too little to go by');
    const thin = { ...ALONE, history: { units: 2, failingUnits: 2, windowMs: HOUR_MS } };
    expect(unguardedIn(alone(1, 0), 1, 'new', thin)).toContain('is too little to go by');
  });

  test('of a definition without a fast guard says nothing of it', () => {
    const off = definitionOf({ fastGuard: null });
    const [comparison] = lookAt(off, observationOf({ metrics: {}, phases: [alone(60, 58)] })).comparisons;
    expect(comparison).toMatchObject({ fastGuard: null, unguarded: null });
  });
});
