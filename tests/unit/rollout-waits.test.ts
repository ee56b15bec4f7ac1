import { expect, test } from 'vitest';
import { possibleOrders } from '#control-plane/rollout/possible.ts';
import { waitsFor } from '#control-plane/rollout/waits-for.ts';
import { type Decision, rolloutMemorySchema } from '#core/rollout/memory.ts';
import { rolloutPlanSchema } from '#core/rollout/plan.ts';

const plan = rolloutPlanSchema.parse({ strategy: { kind: 'ab' }, approvals: ['promotion'] });

function deciding(because: Extract<Decision, { kind: 'promote' }>['because']) {
  const decision = { kind: 'promote', arm: 1, because, reason: 'it is better' };
  const memory = rolloutMemorySchema.parse({ asked: 'promotion:1', decision });
  return {
    waits: waitsFor({ state: 'deciding', plan, memory, primary: 'latency', gates: [], freeze: null }),
    possible: possibleOrders('deciding', memory),
  };
}

test('a promotion that evidence asks for waits for somebody to approve it', () => {
  const { waits, possible } = deciding('better');
  expect(waits).toBe('Somebody to approve the promotion.');
  expect(possible).toContain('approve');
});

test('who ordered the promotion has agreed to it, and is not asked again', () => {
  const { waits, possible } = deciding('person');
  expect(waits).toBe('The decision to be carried out: it is better.');
  expect(possible).not.toContain('approve');
});

test('what evidence is missing, since when, and when that pauses it', () => {
  const missing = { sinceMs: 0, metrics: ['thumbs_up'], failure: null };
  const waits = (changes: object) =>
    waitsFor({
      ...{ state: 'holding', plan, primary: 'latency', gates: [], freeze: null },
      memory: rolloutMemorySchema.parse({ missing: { ...missing, ...changes } }),
    });
  const times = 'since 1970-01-01T00:00:00.000Z; at 1970-01-02T00:00:00.000Z it pauses.';
  expect(waits({})).toBe(`A value of thumbs_up: none ${times}`);
  const failure = 'looking took longer than 120 s';
  expect(waits({ metrics: [], failure })).toBe(`A look that succeeds: ${failure}, ${times}`);
});
