import { expect, test } from 'vitest';
import { checkExperiment } from '#control-plane/rollout/experiment-checks.ts';
import { checkPlan } from '#control-plane/rollout/plan-checks.ts';
import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import { rolloutPlanSchema } from '#core/rollout/plan.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { observationOf } from '#tests/support/looks.ts';

const fields = (strategy: unknown, rest: object = {}, challengers = 1) =>
  checkPlan(
    rolloutPlanSchema.parse({ strategy, ...rest }),
    challengers,
    parseAddressPolicy('10.1.0.0/16,hooks.local'),
  ).map(({ field }) => field);
const hour = { durationMs: 3_600_000 };
const direct = { kind: 'direct' };

test.each([
  [{ kind: 'canary', steps: [{ weightBp: 500, ...hour }, { weightBp: 10_000 }] }],
  [
    {
      kind: 'canary',
      steps: [{ weightBp: 500, approval: true }, { weightBp: 1_000, minUnits: 5 }, { weightBp: 5_000 }],
    },
  ],
  [direct],
  [{ kind: 'blue-green' }],
  [{ kind: 'rolling' }],
  [{ kind: 'ab' }],
])('a plan that can be carried out: %j', (strategy) => {
  expect(fields(strategy)).toEqual([]);
});

test.each([
  [{ kind: 'canary', steps: [{ weightBp: 500, ...hour }, { weightBp: 500 }] }, ['plan.strategy.steps[1].weightBp']],
  [{ kind: 'canary', steps: [{ weightBp: 500 }, { weightBp: 900 }] }, ['plan.strategy.steps[0]']],
  [{ kind: 'rolling', fromBp: 500, toBp: 500 }, ['plan.strategy.toBp']],
  [
    { kind: 'rolling', toBp: 400, incrementBp: 500, durationMs: 0 },
    ['plan.strategy.incrementBp', 'plan.strategy.durationMs'],
  ],
])('steps that cannot be taken: %j', (strategy, expected) => {
  expect(fields(strategy)).toEqual(expected);
});

test('challengers together get no more than there is', () => {
  const steps = [{ weightBp: 1_000, ...hour }, { weightBp: 5_001 }];
  expect(fields({ kind: 'canary', steps }, {}, 2)).toEqual(['plan.strategy.steps[1].weightBp']);
  expect(fields({ kind: 'canary', steps: [{ weightBp: 5_000 }] }, {}, 2)).toEqual([]);
  expect(fields(direct, {}, 2)).toEqual(['plan.strategy']);
  expect(fields({ kind: 'rolling' }, {}, 2)).toEqual(['plan.strategy.toBp']);
  expect(fields({ kind: 'ab' }, {}, 2)).toEqual(['plan.strategy.weightBp']);
  expect(fields({ kind: 'ab', weightBp: 3_333 }, {}, 2)).toEqual([]);
});

test('times that leave no room for a decision', () => {
  const steps = [
    { weightBp: 1_000, ...hour },
    { weightBp: 5_000, ...hour },
  ];
  expect(fields({ kind: 'canary', steps }, { maxDurationMs: 7_199_999 })).toEqual(['plan.maxDurationMs']);
  expect(fields({ kind: 'canary', steps }, { maxDurationMs: 7_200_000 })).toEqual([]);
  expect(fields(direct, { minDurationMs: 2, maxDurationMs: 1 })).toEqual(['plan.minDurationMs']);
  expect(fields(direct, { shadowFirst: { durationMs: 0, minPairs: 0 } })).toEqual(['plan.shadowFirst']);
  expect(fields(direct, { approvals: ['start', 'start'] })).toEqual(['plan.approvals']);
});

test.each([
  ['http://127.0.0.1/x', ['url']],
  ['http://localhost:8080/x', ['url']],
  ['http://[::ffff:10.0.0.1]/x', ['url']],
  ['http://169.254.169.254/latest', ['url']],
  ['https://user:secret@example.com/x', ['url']],
  ['https://example.com/x#y', ['url']],
  ['https://example.com/x?token=1', []],
  ['http://10.1.2.3/x', []],
  ['http://hooks.local/x', []],
])('the webhook %s', (url, faults) => {
  const expected = faults.map((field) => `plan.webhooks[0].${field}`);
  expect(fields(direct, { webhooks: [{ hook: 'on-end', url }] })).toEqual(expected);
});

test('a hook may have several URLs, each once', () => {
  const webhook = { hook: 'on-end', url: 'https://example.com' };
  expect(fields(direct, { webhooks: [webhook, webhook] })).toEqual(['plan.webhooks[1]']);
  expect(fields(direct, { webhooks: [webhook, { ...webhook, url: 'https://example.org' }] })).toEqual([]);
});

const experimentFields = (definition: object, strategy: unknown = direct) =>
  checkExperiment(experimentDefinitionSchema.parse(definition), rolloutPlanSchema.parse({ strategy }).strategy).map(
    ({ field }) => field,
  );

test.each([
  [{ primary: { metric: 'latency' } }, []],
  [{ primary: { metric: 'thumbs_up', direction: 'increase', kind: 'rate' } }, []],
  [{ primary: { metric: 'thumbs_up' } }, ['experiment.primary.direction']],
  [{ primary: { metric: 'schema_validity' } }, ['experiment.primary.direction']],
  [{ primary: { metric: 'error_rate=x' } }, ['experiment.primary.metric']],
  [{ primary: { metric: 'error_rate', kind: 'mean' } }, ['experiment.primary.kind']],
  [{ primary: { metric: 'topic=billing', direction: 'decrease', kind: 'mean' } }, ['experiment.primary.kind']],
  [{ guardrails: [{ metric: 'stars', margin: 0.1 }] }, ['experiment.guardrails[0].direction']],
  [{ guardrails: [{ metric: 'error_rate', margin: 5 }] }, ['experiment.guardrails[0].margin']],
  [{ guardrails: [{ metric: 'latency', margin: 5_000 }] }, []],
  [
    {
      guardrails: [
        { metric: 'cost', margin: 5 },
        { metric: 'cost', margin: 6 },
      ],
    },
    ['experiment.guardrails[1].metric'],
  ],
])('the experiment %j', (definition, expected) => {
  expect(experimentFields(definition)).toEqual(expected);
});

test('an A/B test needs something to decide by', () => {
  expect(experimentFields({}, { kind: 'ab' })).toEqual(['experiment.primary']);
});

test('a definition that passes the checks can be looked at, whatever its metrics', () => {
  const names = ['error_rate', 'latency', 'schema_validity', 'thumbs', 'mood=good', 'error_rate=x', 'latency=slow'];
  for (const metric of names) {
    for (const direction of [undefined, 'increase']) {
      for (const kind of [undefined, 'mean', 'rate']) {
        const part = { metric, direction, kind };
        const definition = experimentDefinitionSchema.parse({ primary: part, guardrails: [{ ...part, margin: 0.01 }] });
        const issues = checkExperiment(definition, { kind: 'ab', weightBp: 5_000 });
        const observation = observationOf({ metrics: {} });
        if (issues.length === 0) expect(() => lookAt(definition, observation)).not.toThrow();
        else
          expect(
            issues.every(({ field }) => /^experiment\.(primary|guardrails\[0\])\.(metric|kind|direction)$/.test(field)),
          ).toBe(true);
        if (direction === undefined && !metric.startsWith('error_rate') && !metric.startsWith('latency'))
          expect(issues.map(({ field }) => field)).toContain('experiment.primary.direction');
      }
    }
  }
});

test('a hold that outlasts the whole rollout is refused: it would end undecided before time could promote', () => {
  const day = 86_400_000;
  expect(fields({ kind: 'direct', holdMs: 14 * day })).toEqual(['plan.maxDurationMs']);
  expect(fields({ kind: 'blue-green', returnMs: 2 * day }, { maxDurationMs: day })).toEqual(['plan.maxDurationMs']);
  expect(fields({ kind: 'direct', holdMs: 14 * day - 1 })).toEqual([]);
  expect(fields({ kind: 'ab' }, { minDurationMs: day, maxDurationMs: day })).toEqual(['plan.minDurationMs']);
});
