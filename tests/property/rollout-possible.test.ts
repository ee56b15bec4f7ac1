import fc from 'fast-check';
import { expect, test } from 'vitest';
import { possibleOrders } from '#control-plane/rollout/possible.ts';
import { waitsFor } from '#control-plane/rollout/waits-for.ts';
import { commandStep } from '#core/rollout/command-step.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { ROLLOUT_STATES } from '#core/rollout/state.ts';
import { COMMANDS } from '#core/rollout/step.ts';
import { factsOf, lookOf, machineOf } from '#tests/support/rollout-looks.ts';

const PLAN = {
  strategy: {
    kind: 'canary',
    steps: [
      { weightBp: 500, durationMs: 60_000 },
      { weightBp: 5_000, approval: true },
    ],
  },
  shadowFirst: {},
  approvals: ['start', 'promotion'],
  webhooks: [{ hook: 'confirm-step', url: 'https://hooks.example.com/' }],
};
const KEYS = ['start', 'step:1', 'promotion:1'];

const situation = fc.record({
  state: fc.constantFrom(...ROLLOUT_STATES),
  memory: fc
    .record({
      requestedAtMs: fc.constantFrom(undefined, 1_000),
      stage: fc.constantFrom(0, 1),
      sinceMs: fc.constantFrom(0, 1_000),
      pause: fc.constantFrom(null, { sinceMs: 1_000, reason: 'lunch', cause: 'person' as const }),
      asked: fc.constantFrom(null, ...KEYS),
      approved: fc.subarray(KEYS),
    })
    .map((memory) => rolloutMemorySchema.parse(memory)),
});

test('whatever the machine does on an order is said to be possible', () => {
  fc.assert(
    fc.property(situation, fc.constantFrom(...COMMANDS), ({ state, memory }, kind) => {
      const machine = machineOf(PLAN, { state, memory });
      const facts = factsOf({ look: lookOf({ b: {} }) });
      const result = commandStep(machine, facts, { kind, model: 'b' }, 5_000);
      if (result.kind === 'step') expect(possibleOrders(state, memory, machine.plan)).toContain(kind);
    }),
    { numRuns: 2_000 },
  );
});

test('there is always a sentence about what it waits for', () => {
  const gates = [
    [],
    [{ gate: 'confirm-step:step:1:0#0', hook: 'confirm-step', state: 'pending' as const, detail: 'answered 500' }],
    [{ gate: 'on-end:promoted:0#9', hook: 'on-end', state: 'pending' as const, detail: '' }],
    [{ gate: 'confirm-step:step:1:0#0', hook: 'confirm-step', state: 'denied' as const, detail: 'no' }],
  ];
  const freezes = [null, { endsAt: new Date(9_000), reason: 'holidays' }];
  fc.assert(
    fc.property(
      situation,
      fc.constantFrom(...gates),
      fc.constantFrom(...freezes),
      fc.boolean(),
      ({ state, memory }, asked, freeze, isWithoutChampion) => {
        const { plan } = machineOf(PLAN);
        const sentence = waitsFor({
          ...{ state, plan, memory, primary: 'score', guardrails: ['error_rate'] },
          ...{ gates: asked, freeze, isWithoutChampion },
        });
        expect(sentence).toMatch(/^[A-Z0-9].*\.$/);
        expect(sentence).not.toMatch(/undefined|null|NaN|unknown/);
      },
    ),
  );
});
