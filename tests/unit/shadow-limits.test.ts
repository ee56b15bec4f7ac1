import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createInferenceId, createRandomPool } from '#core/ids.ts';
import { isSampled } from '#core/sampling.ts';
import { shadowPolicySchema } from '#core/snapshot/shadow-policy.ts';
import { FAILURES_TO_OPEN, OPEN_MS, ShadowBreaker } from '#gateway/shadow/breaker.ts';
import { HeldBody } from '#gateway/shadow/held-body.ts';
import { ShadowLimits } from '#gateway/shadow/limits.ts';
import { isMirrored } from '#gateway/shadow/sampling.ts';

describe('sampling', () => {
  const ids = Array.from({ length: 40_000 }, (_, at) =>
    createInferenceId(1_700_000_000_000 + at, 7, createRandomPool()),
  );

  test('none, all, and the share in between; a larger share only adds', () => {
    expect(ids.some((id) => isMirrored(id, 0))).toBe(false);
    expect(ids.every((id) => isMirrored(id, 10_000))).toBe(true);
    const shareOf = (bp: number) => ids.filter((id) => isMirrored(id, bp)).length / ids.length;
    // Six standard deviations of 40 000 draws.
    expect(Math.abs(shareOf(2_500) - 0.25)).toBeLessThan(0.013);
    expect(ids.every((id) => !isMirrored(id, 1_000) || isMirrored(id, 2_000))).toBe(true);
  });

  test('is independent of the draw for capture', () => {
    const mirrored = ids.filter((id) => isMirrored(id, 5_000));
    const captured = mirrored.filter((id) => isSampled(id, 5_000)).length / mirrored.length;
    expect(Math.abs(captured - 0.5)).toBeLessThan(0.022);
  });
});

describe('limits', () => {
  const policy = shadowPolicySchema.parse({ maxConcurrency: 2, maxPerMinute: 3, maxTokensPerDay: 100 });
  const MINUTE_MS = 60_000;
  const dayMs = 20_000 * 86_400_000;

  test('so many at a time', () => {
    const limits = new ShadowLimits();
    limits.began(dayMs);
    expect(limits.refusal(policy, dayMs)).toBeNull();
    limits.began(dayMs);
    expect(limits.refusal(policy, dayMs)).toBe('dropped_concurrency');
    limits.ended(0, dayMs);
    expect(limits.refusal(policy, dayMs)).toBeNull();
  });

  test('so many in a minute', () => {
    const limits = new ShadowLimits();
    for (let at = 0; at < 3; at++) {
      limits.began(dayMs);
      limits.ended(0, dayMs);
    }
    expect(limits.refusal(policy, dayMs + MINUTE_MS - 1)).toBe('dropped_rate');
    expect(limits.refusal(policy, dayMs + MINUTE_MS)).toBeNull();
  });

  test('so many tokens in a day of UTC; without a bound any number', () => {
    const limits = new ShadowLimits();
    limits.began(dayMs);
    limits.ended(100, dayMs);
    expect(limits.refusal(policy, dayMs + 86_400_000 - 1)).toBe('dropped_budget');
    expect(limits.refusal({ ...policy, maxTokensPerDay: null }, dayMs + MINUTE_MS)).toBeNull();
    expect(limits.refusal(policy, dayMs + 86_400_000)).toBeNull();
  });

  test('never more under way than allowed, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (steps) => {
        const limits = new ShadowLimits();
        let running = 0;
        for (const begins of steps) {
          if (begins && limits.refusal({ ...policy, maxPerMinute: 1_000 }, dayMs) === null) {
            limits.began(dayMs);
            running++;
          } else if (!begins && running > 0) {
            limits.ended(0, dayMs);
            running--;
          }
          expect(running).toBeLessThanOrEqual(2);
        }
        expect(limits.isIdle).toBe(running === 0);
      }),
    );
  });
});

describe('breaker', () => {
  const failed = (breaker: ShadowBreaker, times: number, nowMs = 0) => {
    for (let at = 0; at < times; at++) breaker.pass(nowMs).ended('badly', nowMs);
  };

  test('opens after so many failures in a row, and not for others', () => {
    const breaker = new ShadowBreaker();
    failed(breaker, FAILURES_TO_OPEN - 1);
    breaker.pass(0).ended('well', 0);
    failed(breaker, FAILURES_TO_OPEN - 1);
    breaker.pass(0).ended('unknown', 0);
    expect(breaker.allows(0)).toBe(true);
    failed(breaker, 1);
    expect(breaker.allows(OPEN_MS - 1)).toBe(false);
    expect(() => breaker.pass(OPEN_MS - 1)).toThrow('open');
  });

  test('one call looks whether the shadow is well again; all others wait for it', () => {
    const breaker = new ShadowBreaker();
    const late = breaker.pass(0);
    failed(breaker, FAILURES_TO_OPEN);
    const probe = breaker.pass(OPEN_MS);
    expect(breaker.allows(OPEN_MS)).toBe(false);
    late.ended('well', OPEN_MS); // from before it opened: no evidence
    expect(breaker.allows(OPEN_MS)).toBe(false);
    probe.ended('badly', OPEN_MS + 5);
    expect(breaker.allows(2 * OPEN_MS + 4)).toBe(false);
    const second = breaker.pass(2 * OPEN_MS + 5);
    second.ended('well', 2 * OPEN_MS + 6);
    expect(breaker.allows(2 * OPEN_MS + 6)).toBe(true);
  });

  test('a probe that says nothing is followed by another one', () => {
    const breaker = new ShadowBreaker();
    failed(breaker, FAILURES_TO_OPEN);
    breaker.pass(OPEN_MS).ended('unknown', OPEN_MS);
    expect(breaker.allows(OPEN_MS)).toBe(false);
    expect(breaker.allows(2 * OPEN_MS)).toBe(true);
  });
});

describe('a held body', () => {
  const rig = (maxBytes: number) => {
    const state = { held: 0, given: [] as Buffer[] };
    const budget = {
      take(bytes: number, share = 1) {
        if (state.held + bytes > maxBytes * share) return false;
        state.held += bytes;
        return true;
      },
      give(bytes: number) {
        state.held -= bytes;
      },
    };
    const pool = {
      sizeFor: (bytes: number) => bytes,
      take: (bytes: number) => Buffer.alloc(bytes),
      give: (memory: Buffer) => void state.given.push(memory),
    };
    return { state, budget, pool };
  };

  test('is charged for all of its memory, takes a quarter of the budget at most, and gives everything back once', () => {
    const { state, budget, pool } = rig(1_000);
    const gathered = Buffer.alloc(200);
    const body = HeldBody.hold(gathered.subarray(0, 150), gathered, true, budget, pool)!;
    expect(state.held).toBe(200);
    expect(HeldBody.hold(Buffer.alloc(51), null, true, budget, pool)).toBeNull();
    body.use();
    body.use();
    body.letGo(true);
    expect([state.held, state.given]).toEqual([200, []]);
    body.letGo(true);
    expect([state.held, state.given]).toEqual([0, [gathered]]);
  });

  test.each([
    ['that another still reads', false, true],
    ['that the transport still reads', true, false],
  ])('memory %s is not used again', (_, isReusable, isFree) => {
    const { state, budget, pool } = rig(1_000);
    const gathered = Buffer.alloc(100);
    const body = HeldBody.hold(gathered, gathered, isReusable, budget, pool)!;
    body.use();
    body.letGo(isFree);
    expect([state.held, state.given]).toEqual([0, []]);
  });
});
