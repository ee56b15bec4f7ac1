import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VERDICTS } from '#core/experiments/look.ts';
import { commandStep } from '#core/rollout/command-step.ts';
import { nextStep } from '#core/rollout/machine.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { hasEnded, ROLLOUT_STATES, type RolloutState } from '#core/rollout/state.ts';
import { COMMANDS, type MachineFacts, type MachineRollout, type Step } from '#core/rollout/step.ts';
import { TRANSITIONS } from '#core/rollout/transitions.ts';
import { factsOf, lookOf, machineOf } from '#tests/support/rollout-looks.ts';

const MINUTE_MS = 60_000;

const strategy = fc.oneof(
  fc.record({ kind: fc.constant('direct'), holdMs: fc.nat(3 * MINUTE_MS) }),
  fc.record({
    kind: fc.constant('canary'),
    steps: fc.array(
      fc.record({
        weightBp: fc.integer({ min: 1, max: 10_000 }),
        durationMs: fc.nat(2 * MINUTE_MS),
        minUnits: fc.constantFrom(0, 0, 500),
        approval: fc.boolean(),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  fc.record({ kind: fc.constant('blue-green'), returnMs: fc.nat(3 * MINUTE_MS) }),
  fc.record({
    kind: fc.constant('rolling'),
    fromBp: fc.nat(10_000),
    toBp: fc.integer({ min: 1, max: 10_000 }),
    incrementBp: fc.integer({ min: 500, max: 5_000 }),
    durationMs: fc.nat(5 * MINUTE_MS),
  }),
  fc.record({ kind: fc.constant('ab'), weightBp: fc.integer({ min: 1, max: 9_999 }) }),
);

const HOOK_URL = 'https://hooks.example.com/';
const plan = fc.record({
  strategy,
  shadowFirst: fc.option(fc.record({ durationMs: fc.nat(MINUTE_MS), minPairs: fc.nat(100) })),
  approvals: fc.subarray(['start', 'promotion']),
  webhooks: fc
    .subarray(['confirm-start', 'confirm-step', 'confirm-promotion', 'on-rollback', 'on-end'])
    .map((hooks) => hooks.map((hook) => ({ hook, url: HOOK_URL }))),
  maxDurationMs: fc.constantFrom(5 * MINUTE_MS, 1_000 * MINUTE_MS),
  minDurationMs: fc.constantFrom(0, 2 * MINUTE_MS),
  onInconclusive: fc.constantFrom('pause', 'rollback', 'end'),
  onEquivalent: fc.constantFrom('promote', 'pause', 'rollback', 'end'),
  autoPromote: fc.boolean(),
  missingMetricHoldMs: fc.constantFrom(0, MINUTE_MS),
  dryRun: fc.boolean(),
});

const saying = fc.record(
  {
    verdict: fc.constantFrom('running' as const, ...VERDICTS),
    guardrail: fc.constantFrom('passed', 'passed', 'open', 'violated', 'missing'),
    severity: fc.constantFrom('rollback', 'pause', 'warn'),
    fired: fc.constantFrom(false, false, false, true),
    effect: fc.constantFrom(0, 0.5, -0.5, Number.NaN),
    unmeasured: fc.constantFrom(false, false, false, true),
  },
  { requiredKeys: [] },
);

/** What the world is like at one moment; `gates`: what every webhook that was asked says. */
const moment = fc.record({
  afterMs: fc.constantFrom(0, 1_000, MINUTE_MS, 10 * MINUTE_MS, -MINUTE_MS),
  isLookedAt: fc.constantFrom(true, true, true, false),
  failure: fc.constantFrom(null, null, null, null, 'looking fails'),
  srm: fc.constantFrom(false, false, false, false, true),
  sayings: fc.array(saying, { minLength: 3, maxLength: 3 }),
  units: fc.nat(5_000),
  freeze: fc.constantFrom(null, null, null, 'a freeze'),
  gates: fc.constantFrom('approved', 'approved', 'pending', 'denied', 'failed'),
  pairs: fc
    .tuple(fc.nat(200), fc.double({ min: -0.1, max: 0.5, noNaN: true }))
    .map(([pairs, share]) => ({ pairs, units: pairs, excess: share * pairs, firstExcess: share * pairs })),
  command: fc.option(
    fc.record({
      kind: fc.constantFrom('start' as const, 'resume' as const, 'approve' as const, ...COMMANDS),
      model: fc.constantFrom(undefined, 'b'),
    }),
    { freq: 3 },
  ),
});
type Moment = typeof moment extends fc.Arbitrary<infer Value> ? Value : never;

interface World {
  rollout: MachineRollout;
  weights: readonly number[];
  ends: number;
  asked: Set<string>;
}

function factsAt({ rollout, asked }: World, now: Moment, atMs: number): MachineFacts {
  const sayings = Object.fromEntries(rollout.arms.slice(1).map((name, i) => [name, now.sayings[i]!]));
  return factsOf({
    failure: now.failure,
    look:
      now.isLookedAt && now.failure === null
        ? lookOf(sayings as never, { atMs, srm: now.srm, units: rollout.arms.map(() => now.units) })
        : null,
    freeze: now.freeze,
    gates: new Map([...asked].map((gate) => [gate, { state: now.gates as 'approved', detail: '' }])),
    pairs: rollout.arms.map((_, arm) => (arm === 0 ? null : now.pairs)),
  });
}

/** Does a step, and holds it against everything that no step may do. */
function take(world: World, step: Step, facts: MachineFacts): void {
  const { rollout } = world;
  const { from, to } = TRANSITIONS[step.event];
  expect(step.from).toBe(rollout.state);
  expect(from as readonly RolloutState[]).toContain(step.from);
  expect(to.some((each) => (each === 'same' ? step.to === step.from : each === step.to))).toBe(true);
  expect(step.ends).toBe(hasEnded(step.to));
  expect(rolloutMemorySchema.parse(JSON.parse(JSON.stringify(step.memory)))).toEqual(
    rolloutMemorySchema.parse(step.memory),
  );
  const before = world.weights;
  world.weights = weightsAfter(world, step);
  expect(world.weights.reduce((sum, weight) => sum + weight, 0)).toBe(10_000);
  if (isForward(before, world.weights) || step.event === 'promote') expectFree(rollout, facts);
  if (step.to === 'rolled_back' || step.to === 'aborted' || step.to === 'inconclusive') {
    expect(world.weights).toEqual([10_000, ...rollout.arms.slice(1).map(() => 0)]);
    expect(step.move.kind).toBe(step.from === 'draft' ? 'none' : 'restore');
  }
  if (rollout.plan.dryRun && (step.event === 'promote' || step.event === 'rollback' || step.event === 'step')) {
    expect(step.reason).toMatch(/^would /);
  }
  for (const { gate } of step.gates) {
    expect(world.asked.has(gate)).toBe(false);
    world.asked.add(gate);
  }
  if (step.ends) world.ends++;
  world.rollout = { ...rollout, state: step.to, memory: rolloutMemorySchema.parse(step.memory) };
}

/** The weights of the arms; before the start the champion has all. */
function weightsAfter({ rollout, weights }: World, { move, weights: said }: Step): readonly number[] {
  switch (move.kind) {
    case 'none':
      return weights;
    case 'restore':
      return rollout.arms.map((_, arm) => (arm === 0 ? 10_000 : 0));
    case 'shadow':
    case 'weights':
    case 'promote':
      return rollout.arms.map((model) => said![model]!);
    default:
      return move satisfies never;
  }
}

/** More traffic for a challenger. */
function isForward(before: readonly number[], after: readonly number[]): boolean {
  return after.some((weight, arm) => arm > 0 && weight > before[arm]!);
}

function expectFree({ state, plan, memory, arms }: MachineRollout, { freeze, look }: MachineFacts): void {
  expect(memory.pause).toBeNull();
  expect(freeze).toBeNull();
  if (state === 'draft' || state === 'shadow') return;
  expect(look).not.toBeNull();
  expect(look!.srm.fired).toBe(false);
  if (plan.strategy.kind === 'direct' || plan.strategy.kind === 'blue-green') {
    expect(look!.requests.every((count, arm) => arm === 0 || memory.removed.includes(arm) || count > 0)).toBe(true);
    return;
  }
  const active = look!.comparisons.filter(({ arm }) => arm < arms.length && !memory.removed.includes(arm));
  for (const { verdict, primary, guardrails } of active) {
    expect(verdict).not.toBe('invalid');
    for (const { champion, challenger, effect } of [primary!, ...guardrails]) {
      expect(champion.n > 0 && challenger.n > 0 && !Number.isNaN(effect)).toBe(true);
    }
    expect(guardrails.some(({ state: found, severity }) => found === 'violated' && severity === 'rollback')).toBe(
      false,
    );
  }
}

test('whatever happens and whoever orders what, a rollout keeps its promises', () => {
  const reached = new Set<string>();
  fc.assert(
    fc.property(
      plan,
      fc.integer({ min: 1, max: 3 }),
      fc.boolean(),
      fc.array(moment, { minLength: 1, maxLength: 40 }),
      (given, challengers, preparesAtLength, moments) => {
        const arms = ['a', 'b', 'c', 'd'].slice(0, challengers + 1);
        const world: World = {
          rollout: machineOf(given, { arms, preparesAtLength }),
          ...{ weights: arms.map((_, arm) => (arm === 0 ? 10_000 : 0)), ends: 0, asked: new Set<string>() },
        };
        let nowMs = 1_700_000_000_000;
        for (const [index, now] of moments.entries()) {
          nowMs += now.afterMs;
          const order = index === 0 ? { kind: 'start' as const } : now.command;
          if (order !== null) {
            const facts = factsAt(world, now, nowMs);
            const result = commandStep(world.rollout, facts, order, nowMs);
            if (result.kind === 'step') {
              take(world, result.step, facts);
              reached.add(result.step.to);
            } else expect(result.why.length).toBeGreaterThan(0);
          }
          for (let steps = 0; steps < 60; steps++) {
            const facts = factsAt(world, now, nowMs);
            const step = nextStep(world.rollout, facts, nowMs);
            expect(nextStep(world.rollout, facts, nowMs)).toEqual(step);
            if (step === null) break;
            expect(hasEnded(world.rollout.state)).toBe(false);
            take(world, step, facts);
            reached.add(step.to);
            expect(steps, `${step.event} again and again`).toBeLessThan(59);
          }
        }
        expect(world.ends).toBeLessThanOrEqual(1);
      },
    ),
    { numRuns: 1_000 },
  );
  // The walk is worth nothing if it never gets anywhere.
  expect([...reached].sort()).toEqual([...ROLLOUT_STATES].sort());
});

test('a bad challenger is taken out of every state that has traffic, paused or not, frozen or not', () => {
  fc.assert(
    fc.property(
      plan,
      fc.constantFrom('ramping', 'holding', 'deciding'),
      fc.boolean(),
      fc.boolean(),
      (given, state, isPaused, srm) => {
        const pause = isPaused ? { sinceMs: 0, reason: 'a look', cause: 'person' as const } : null;
        const memory = rolloutMemorySchema.parse({ sinceMs: 0, trafficSinceMs: 0, pause });
        const rollout = machineOf(given, { state: state as RolloutState, memory });
        const look = lookOf({ b: { fired: true } }, { srm });
        const step = nextStep(rollout, factsOf({ look, freeze: 'a freeze' }), 1_000);
        expect(step).toMatchObject({ event: 'rollback', to: 'rolled_back', move: { kind: 'restore' } });
      },
    ),
  );
});
