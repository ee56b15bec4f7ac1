import { expect, test } from 'vitest';
import { commandStep } from '#core/rollout/command-step.ts';
import { gatesFor, webhookOfGate } from '#core/rollout/gates.ts';
import { nextStep } from '#core/rollout/machine.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { rolloutPlanSchema } from '#core/rollout/plan.ts';
import type { MachineRollout } from '#core/rollout/step.ts';
import { rulesOf } from '#core/rollout/strategies/rules.ts';
import { judgeShadow } from '#core/rollout/strategies/shadow-first.ts';
import { createRandom } from '#simulator/random.ts';
import { factsOf, lookOf, machineOf } from '#tests/support/rollout-looks.ts';

const AB = { strategy: { kind: 'ab' } };
const holding = (plan: object, memory: object = {}): MachineRollout =>
  machineOf(plan, { state: 'holding', memory: rolloutMemorySchema.parse({ trafficSinceMs: 0, ...memory }) });
const stagesOf = (strategy: object) => {
  const rules = rulesOf(rolloutPlanSchema.parse({ strategy }).strategy);
  return rules.stages.map(({ weightBp, durationMs }) => [weightBp, durationMs]);
};

test.each([
  [
    { kind: 'rolling', toBp: 1_200, durationMs: 900, incrementBp: 500 },
    [
      [500, 300],
      [1_000, 300],
      [1_200, 300],
    ],
  ],
  [
    { kind: 'rolling', fromBp: 1_000, toBp: 2_000, durationMs: 900, incrementBp: 500 },
    [
      [1_000, 300],
      [1_500, 300],
      [2_000, 300],
    ],
  ],
  [{ kind: 'rolling', fromBp: 5_000, toBp: 100, durationMs: 60 }, [[100, 60]]],
  [{ kind: 'direct' }, [[10_000, 0]]],
  [{ kind: 'ab', weightBp: 300 }, [[300, 0]]],
])('%j has the stages %j', (strategy, stages) => {
  expect(stagesOf(strategy)).toEqual(stages);
});

test.each([
  ['challenger_better', 'passed', 'decide'],
  ['challenger_better', 'open', null],
  ['challenger_better', 'missing', null],
  ['running', 'passed', null],
  ['champion_better', 'open', 'rollback'],
  ['invalid', 'passed', 'pause'],
  ['equivalent', 'passed', 'decide'],
  ['inconclusive', 'open', 'pause'],
] as const)('held with the verdict %s and its guardrail %s: %s', (verdict, guardrail, event) => {
  const step = nextStep(holding(AB), factsOf({ look: lookOf({ b: { verdict, guardrail } }) }), 1_000);
  expect(step?.event ?? null).toBe(event);
});

test('guardrails pause or warn once; who goes on has heard it', () => {
  const look = (severity: 'pause' | 'warn') => lookOf({ b: { guardrail: 'violated', severity } });
  const paused = nextStep(holding(AB), factsOf({ look: look('pause') }), 1_000)!;
  expect(paused).toMatchObject({
    event: 'pause',
    memory: { pause: { cause: 'evidence' }, noted: ['pause:1:error_rate'] },
  });
  const resumed = commandStep({ ...holding(AB), memory: paused.memory }, factsOf(), { kind: 'resume' }, 5_000);
  expect(resumed).toMatchObject({
    kind: 'step',
    step: { memory: { pause: null, trafficSinceMs: 4_000, sinceMs: 4_000 } },
  });
  expect(nextStep(holding(AB, { noted: paused.memory.noted }), factsOf({ look: look('pause') }), 6_000)).toBeNull();
  const warned = nextStep(holding(AB), factsOf({ look: look('warn') }), 1_000)!;
  expect(warned.event).toBe('warn');
  expect(nextStep(holding(AB, { noted: warned.memory.noted }), factsOf({ look: look('warn') }), 6_000)).toBeNull();
});

test('no decision before its least duration, except to send back what harms', () => {
  const rollout = holding({ ...AB, minDurationMs: 10_000 });
  for (const verdict of ['challenger_better', 'champion_better'] as const) {
    expect(nextStep(rollout, factsOf({ look: lookOf({ b: { verdict } }) }), 9_000)).toBeNull();
    expect(nextStep(rollout, factsOf({ look: lookOf({ b: { verdict } }) }), 10_000)).not.toBeNull();
  }
  const harm = factsOf({ look: lookOf({ b: { guardrail: 'violated' } }) });
  expect(nextStep(rollout, harm, 1_000)).toMatchObject({ event: 'rollback' });
});

test('after a pause at the end of its time a rollout gets that time once more', () => {
  const rollout = holding({ ...AB, maxDurationMs: 10_000 });
  const facts = factsOf({ look: lookOf({ b: {} }) });
  const paused = nextStep(rollout, facts, 10_000)!;
  expect(paused).toMatchObject({ event: 'pause', memory: { pause: { cause: 'max_duration' } } });
  const resumed = commandStep({ ...rollout, memory: paused.memory }, facts, { kind: 'resume' }, 50_000);
  if (resumed.kind !== 'step') throw new Error(resumed.why);
  const again = { ...rollout, memory: resumed.step.memory };
  expect(nextStep(again, facts, 59_000)).toBeNull();
  expect(nextStep(again, facts, 60_000)).toMatchObject({ event: 'pause' });
});

test('what contradicts itself pauses for its evidence, and who goes on does not get the time once more', () => {
  const rollout = holding({ ...AB, maxDurationMs: 10_000 });
  const look = lookOf({ b: { verdict: 'inconclusive', guardrail: 'violated', severity: 'warn' } });
  const warned = nextStep(rollout, factsOf({ look }), 1_000)!;
  expect(warned).toMatchObject({
    event: 'warn',
    reason: expect.stringMatching(/^b: Guardrail violated: error_rate: /),
  });
  const after = { ...rollout, memory: warned.memory };
  const paused = nextStep(after, factsOf({ look }), 2_000)!;
  expect(paused).toMatchObject({ event: 'pause', memory: { pause: { cause: 'evidence' } } });
  const resumed = commandStep({ ...after, memory: paused.memory }, factsOf(), { kind: 'resume' }, 5_000);
  expect(resumed).toMatchObject({ step: { memory: { trafficSinceMs: 3_000 } } });
});

test('a decision that waits for a person stands while an interval opens again, and is asked for once', () => {
  let rollout = { ...holding({ ...AB, autoPromote: false }) };
  const events: string[] = [];
  for (let minute = 1; minute <= 6; minute++) {
    const better = { b: { verdict: 'challenger_better' } } as const;
    const open = { b: { verdict: 'running', guardrail: 'open' } } as const;
    const facts = factsOf({ look: lookOf(minute % 2 === 1 ? better : open) });
    for (let step = nextStep(rollout, facts, minute * 60_000); step !== null; ) {
      events.push(step.event);
      rollout = { ...rollout, state: step.to, memory: step.memory };
      step = nextStep(rollout, facts, minute * 60_000);
    }
  }
  expect(events).toEqual(['decide', 'ask']);
  const approved = commandStep(rollout, factsOf({ look: lookOf({ b: {} }) }), { kind: 'approve' }, 1);
  if (approved.kind !== 'step') throw new Error(approved.why);
  expect(
    nextStep({ ...rollout, memory: approved.step.memory }, factsOf({ look: lookOf({ b: {} }) }), 500_000),
  ).toMatchObject({ event: 'promote' });
});

test.each([
  ['its verdict turns bad', { verdict: 'inconclusive', guardrail: 'violated', severity: 'warn' }, 'Guardrail violated'],
  ['it cannot be compared any more', { verdict: 'insufficient_data' }, 'insufficient_data'],
  ['its evidence is invalid', { verdict: 'invalid' }, 'b is invalid'],
  ['nothing is measured', { unmeasured: true }, 'nothing is measured of score'],
] as const)('a decision is taken back, with what was agreed to, when %s', (_, saying, reason) => {
  const decision = { kind: 'promote', arm: 1, because: 'better', reason: 'better' };
  const noted = ['invalid', 'warn:1:error_rate'];
  const missing = { sinceMs: 0, metrics: ['score', 'error_rate'] };
  const waits = { decision, noted, missing, asked: 'promotion:1', approved: ['step:1'] };
  const rollout = { ...holding({ ...AB, autoPromote: false }, waits), state: 'deciding' as const };
  const facts = factsOf({ look: lookOf({ b: saying }) });
  let step = nextStep(rollout, facts, 1_000)!;
  if (step.event === 'found') step = nextStep({ ...rollout, memory: step.memory }, facts, 1_000)!;
  expect(step).toMatchObject({
    event: 'reconsider',
    to: 'holding',
    reason: expect.stringContaining(reason),
    memory: { decision: null, asked: null, approved: ['step:1'], gateRound: 1 },
  });
});

test('nothing is called missing before its first requests can be there; nothing goes forward meanwhile', () => {
  const canary = {
    strategy: { kind: 'canary', steps: [{ weightBp: 500, durationMs: 3_600_000 }, { weightBp: 900 }] },
    intervalMs: 30_000,
  };
  const memory = rolloutMemorySchema.parse({ trafficSinceMs: 0 });
  const ramping = machineOf(canary, { state: 'ramping', memory });
  const at = (nowMs: number, requests: readonly number[], rollout = ramping) => {
    const look = { ...lookOf({ b: { unmeasured: true } }), requests };
    return nextStep(rollout, factsOf({ look }), nowMs)?.event ?? null;
  };
  expect(at(0, [0, 0])).toBeNull();
  expect(at(29_000, [9, 9])).toBeNull();
  expect(at(30_000, [9, 9])).toBe('missing');
  expect(at(599_000, [9, 0])).toBeNull();
  expect(at(600_000, [9, 0])).toBe('missing');
  // Who could go on is told why it does not.
  expect(at(1_000, [9, 0], { ...ramping, memory: { ...memory, skipped: 'step:1' } })).toBe('missing');
  const impatient = machineOf({ ...canary, missingMetricHoldMs: 5_000 }, { state: 'ramping', memory });
  expect(at(5_000, [9, 0], impatient)).toBe('missing');
});

test('after a hold without a champion the story says what was judged and what was not', () => {
  const direct = machineOf(
    { strategy: { kind: 'direct' } },
    { state: 'holding', memory: rolloutMemorySchema.parse({ trafficSinceMs: 0 }) },
  );
  const look = lookOf({ b: { guardrail: 'missing' } });
  expect(nextStep(direct, factsOf({ look }), 1_000)).toMatchObject({
    event: 'decide',
    reason:
      'the hold is over; of the guardrails error_rate is not to be judged, since too little is measured of both arms; the fast guard has found no more failing units than the champion allows',
  });
  const [comparison] = look.comparisons;
  const unwatched = {
    ...look,
    comparisons: [{ ...comparison!, guardrails: [], fastGuard: null, unguarded: 'no past.' }],
  };
  expect(
    nextStep({ ...direct, memory: { ...direct.memory, noted: ['unguarded:1'] } }, factsOf({ look: unwatched }), 1),
  ).toMatchObject({
    reason: 'the hold is over; there is no guardrail; no fast guard either: no past',
  });
});

test('a rejection is a no: of the start, of a step, of the promotion', () => {
  const answer = (rollout: MachineRollout) => commandStep(rollout, factsOf(), { kind: 'reject', reason: 'no' }, 9);
  const asked = (state: MachineRollout['state'], memory: object) =>
    machineOf(AB, { state, memory: rolloutMemorySchema.parse(memory) });
  expect(answer(asked('draft', { requestedAtMs: 1, asked: 'start' }))).toMatchObject({
    step: { to: 'draft', memory: { gateRound: 1, asked: null } },
  });
  expect(answer(asked('ramping', { asked: 'step:1' }))).toMatchObject({ step: { event: 'pause' } });
  expect(answer(asked('deciding', { asked: 'promotion:1' }))).toMatchObject({ step: { to: 'rolled_back' } });
  expect(answer(asked('ramping', {}))).toMatchObject({ kind: 'refused' });
});

test('of several challengers a person names the one to promote', () => {
  const rollout = { ...holding(AB), arms: ['a', 'b', 'c'] };
  const facts = factsOf({ look: lookOf({ b: {}, c: {} }) });
  expect(commandStep(rollout, facts, { kind: 'promote' }, 1)).toMatchObject({
    kind: 'refused',
    why: expect.stringContaining('b, c'),
  });
  expect(commandStep(rollout, facts, { kind: 'promote', model: 'c' }, 1)).toMatchObject({
    step: { to: 'promoted', weights: { a: 0, b: 0, c: 10_000 } },
  });
});

test('a gate names the webhook that it is for', () => {
  const webhooks = ['on-end', 'confirm-step', 'confirm-step'].map((hook, i) => ({
    hook,
    url: `https://h${i}.example.com/`,
  }));
  const plan = rolloutPlanSchema.parse({ ...AB, webhooks });
  const gates = gatesFor(plan, 'confirm-step', 'step:1', 0);
  expect(gates.map(({ gate }) => webhookOfGate(plan, gate)?.url)).toEqual([
    'https://h1.example.com/',
    'https://h2.example.com/',
  ]);
  expect(webhookOfGate(plan, 'confirm-step:step:1:0')).toBeUndefined();
});

test('mirrored calls: judged when the time is over and there are enough, before that only by what no look can mistake', () => {
  const policy = rolloutPlanSchema.parse({
    ...AB,
    shadowFirst: { minPairs: 100, durationMs: 1_000, maxErrorRate: 0.05 },
  }).shadowFirst!;
  const pairs = (count: number, challengerErrors: number) => [
    null,
    { pairs: count, units: count, excess: challengerErrors - 5, firstExcess: challengerErrors - 5 },
  ];
  expect(judgeShadow(policy, pairs(99, 99), [1], 5_000).kind).toBe('open');
  expect(judgeShadow(policy, pairs(100, 10), [1], 999).kind).toBe('open');
  expect(judgeShadow(policy, pairs(100, 10), [1], 1_000).kind).toBe('passed');
  expect(judgeShadow(policy, pairs(100, 11), [1], 999).kind).toBe('open');
  expect(judgeShadow(policy, pairs(100, 11), [1], 1_000)).toMatchObject({ kind: 'failed', arms: [1] });
  expect(judgeShadow(policy, pairs(100, 60), [1], 0)).toMatchObject({ kind: 'failed', arms: [1] });
  const anything = { ...policy, maxErrorRate: 1 };
  expect(judgeShadow(anything, pairs(100, 100), [1], 0).kind).toBe('open');
});

test('mirrored calls: one broken client sends nobody back, however often it calls', () => {
  const policy = rolloutPlanSchema.parse({ ...AB, shadowFirst: { durationMs: 1_000 } }).shadowFirst!;
  const counts = { pairs: 2_000, units: 50, excess: 1, firstExcess: 1 };
  expect(judgeShadow(policy, [null, counts], [1], 0).kind).toBe('open');
  expect(judgeShadow(policy, [null, counts], [1], 1_000).kind).toBe('passed');
  expect(judgeShadow(policy, [null, { ...counts, excess: 2.6 }], [1], 1_000).kind).toBe('failed');
});

test('mirrored calls: of equals that fail often hardly one is sent back, however often it is looked at', () => {
  const policy = rolloutPlanSchema.parse({ ...AB, shadowFirst: { durationMs: 1_000 } }).shadowFirst!;
  const random = createRandom('mirrored calls');
  let sentBack = 0;
  for (let run = 0; run < 300; run++) {
    const counts = { pairs: 0, units: 0, excess: 0, firstExcess: 0 };
    let failed = false;
    while (counts.pairs < 1_000 && !failed) {
      counts.pairs++;
      counts.units++;
      if (random() < 0.2) counts.firstExcess--;
      if (random() < 0.2) counts.firstExcess++;
      counts.excess = counts.firstExcess;
      // By the rule of the end at each of these looks a third of them would be.
      if (counts.pairs % 10 === 0) failed = judgeShadow(policy, [null, counts], [1], 0).kind === 'failed';
    }
    if (failed) sentBack++;
  }
  expect(sentBack).toBeLessThanOrEqual(3);
});
