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
    waits: waitsFor({
      state: 'deciding',
      plan,
      memory,
      primary: 'latency',
      guardrails: [],
      gates: [],
      freeze: null,
      isWithoutChampion: false,
    }),
    possible: possibleOrders('deciding', memory, plan),
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
      ...{ state: 'holding', plan, primary: 'latency', guardrails: [], gates: [], freeze: null },
      isWithoutChampion: false,
      memory: rolloutMemorySchema.parse({ missing: { ...missing, ...changes } }),
    });
  const times = 'since 1970-01-01T00:00:00.000Z; at 1970-01-02T00:00:00.000Z it pauses.';
  expect(waits({})).toBe(`A value of thumbs_up: none ${times}`);
  const failure = 'looking took longer than 120 s';
  expect(waits({ metrics: [], failure })).toBe(`A look that succeeds: ${failure}, ${times}`);
});

test('a draft whose start cannot ask the log says so, once nobody else is waited for', () => {
  const waits = (memory: object, behind?: string) =>
    waitsFor({
      ...{
        behind,
        state: 'draft',
        plan: rolloutPlanSchema.parse({ strategy: { kind: 'direct' }, approvals: ['start'] }),
      },
      ...{ primary: null, guardrails: [], gates: [], freeze: null, isWithoutChampion: false },
      memory: rolloutMemorySchema.parse({ requestedAtMs: 0, asked: 'start', ...memory }),
    });
  const missing = { sinceMs: 0, metrics: [], failure: 'the log could not be read' };
  expect(waits({})).toBe('Somebody to approve the start.');
  expect(waits({ approved: ['start'] })).toBe('The engine to start it.');
  expect(waits({}, 'other')).toBe('The end of the rollout "other" of the same group.');
  expect(waits({ requestedAtMs: undefined }, 'other')).toBe('Somebody to start it.');
  expect(waits({ approved: ['start'], missing })).toBe(
    'The log, which its start asks: the log could not be read, since 1970-01-01T00:00:00.000Z; it is tried again.',
  );
});

const steps = [
  { weightBp: 500, durationMs: 1_000 },
  { weightBp: 5_000, approval: true },
];
const canary = rolloutPlanSchema.parse({ strategy: { kind: 'canary', steps } });
const asksTwice = rolloutPlanSchema.parse({
  strategy: { kind: 'canary', steps: steps.map((step) => ({ ...step, approval: true })) },
});
const inCanary = (
  memory: object,
  state: 'ramping' | 'holding' = 'ramping',
  isWithoutChampion = false,
  plan = canary,
  guardrails: string[] = [],
) => {
  const parsed = rolloutMemorySchema.parse(memory);
  return waitsFor({
    ...{ state, plan, memory: parsed, primary: 'latency', guardrails },
    gates: [],
    freeze: null,
    isWithoutChampion,
  });
};

test('past the last step people approve the decision, and are not waited for once they have', () => {
  expect(inCanary({ stage: 0, asked: 'step:1' }, 'ramping', false, asksTwice)).toBe(
    'Somebody to approve going on to step 2.',
  );
  expect(inCanary({ stage: 1, asked: 'step:2' })).toBe('Somebody to approve going on to the decision.');
  expect(inCanary({ stage: 1 })).toBe('Step 2 of 2: an approval.');
  expect(inCanary({ stage: 0, skipped: 'step:1' })).toBe('Step 1 of 2: the next look; the rest of it is skipped.');
  expect(inCanary({ stage: 1, asked: 'step:2', approved: ['step:2'] })).toBe('Step 2 of 2: the next look.');
});

test('a hold to which no evidence comes says so, and what to do', () => {
  expect(inCanary({}, 'holding')).toBe('Enough evidence: latency must decide.');
  expect(inCanary({}, 'holding', false, canary, ['error_rate', 'cost'])).toBe(
    'Enough evidence: latency must decide, and each guardrail pass (error_rate, cost).',
  );
  expect(inCanary({}, 'holding', true)).toContain('latency must decide. The champion has no traffic any more');
});

test('where webhooks alone are asked, nobody is asked to approve', () => {
  const asking = rolloutPlanSchema.parse({
    strategy: { kind: 'canary', steps },
    webhooks: [{ hook: 'confirm-step', url: 'https://example.com/' }],
  });
  const memory = rolloutMemorySchema.parse({ stage: 0, asked: 'step:1' });
  const waiting = {
    state: 'ramping' as const,
    plan: asking,
    memory,
    primary: null,
    guardrails: [],
    gates: [],
    freeze: null,
  };
  expect(waitsFor({ ...waiting, isWithoutChampion: false })).toMatch(/^Step 1 of 2: /);
  expect(possibleOrders('ramping', memory, asking)).not.toContain('approve');
  expect(possibleOrders('ramping', rolloutMemorySchema.parse({ stage: 1, asked: 'step:2' }), asking)).toContain(
    'approve',
  );
});
