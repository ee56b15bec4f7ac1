import { expect, test } from 'vitest';
import { watchNotes } from '#control-plane/rollout/watch-notes.ts';
import { experimentDefinitionSchema, ingestSchema } from '#core/experiments/definition.ts';
import { rolloutPlanSchema } from '#core/rollout/plan.ts';

function notesOf(
  plan: object,
  changes: { definition?: object; history?: object | null; started?: boolean } = {},
): string {
  const { definition = {}, history, started = history !== undefined } = changes;
  return watchNotes({
    plan: rolloutPlanSchema.parse(plan),
    definition: experimentDefinitionSchema.parse(definition),
    arms: ['a', 'b'].map((model) => ({ modelId: model, model })),
    ingest: ingestSchema.parse({ latencyObjectiveUs: 1, firstTokenObjectiveUs: 1, championHistory: history }),
    started_at: started ? new Date() : null,
  }).join(' ');
}

test('a strategy under which everything is judged says nothing', () => {
  for (const strategy of [
    { kind: 'ab' },
    { kind: 'canary', steps: [{ weightBp: 9_000 }] },
    { kind: 'rolling', toBp: 5_000 },
  ])
    expect(notesOf({ strategy })).toBe('');
});

test('a dry run says by which traffic challengers are judged', () => {
  expect(notesOf({ strategy: { kind: 'direct' }, dryRun: true })).toMatch(/^In a dry run no weight is moved: .*\.$/);
});

test('all at once nothing is compared, and what watches instead is said', () => {
  const strategy = { kind: 'blue-green' };
  expect(notesOf({ strategy })).toBe(
    'Under "blue-green" guardrails cannot be judged: no champion serves beside the challenger. Time promotes. ' +
      "The fast guard then holds failing units against the champion's share of them before the start, which is measured at the start.",
  );
  // Where nothing is asked for, the fast guard still has something to begin with.
  expect(notesOf({ strategy }, { definition: { guardrails: [] } })).toMatch(
    /^Under "blue-green" no champion serves beside the challenger\. Time promotes\. The fast guard then /,
  );
  const history = { units: 4_000, failingUnits: 12, windowMs: 7_200_000 };
  expect(notesOf({ strategy }, { history })).toContain('before the start: 12 of 4 000 in 2 h.');
  expect(notesOf({ strategy }, { history: null })).toMatch(/no fast guard then: .*; it goes on \(onUnguarded\)/);
  expect(notesOf({ strategy, onUnguarded: 'pause' }, { history: null })).toContain('; it pauses');
  expect(notesOf({ strategy }, { definition: { fastGuard: null } })).toContain('the fast guard is off');
});

test('the end of a ramp rests on its beginning', () => {
  const steps = [{ weightBp: 5_000 }, { weightBp: 9_500 }, { weightBp: 10_000 }];
  const primary = { metric: 'latency' };
  expect(notesOf({ strategy: { kind: 'canary', steps } }, { definition: { primary } })).toContain(
    'In steps 2 to 3 of 3 the champion has less than a tenth of what is compared, so that the primary metric and guardrails rest on',
  );
});
