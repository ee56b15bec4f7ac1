import { describe, expect, test } from 'vitest';
import { BUILTIN_METRICS } from '#core/experiments/metrics.ts';
import { isRefusal } from '#core/experiments/refusals.ts';
import { readStopReason } from '#gateway/providers/anthropic/stop-reasons.ts';
import { measure, SUM_COLUMNS } from '#inference-log/experiment-measures.ts';
import { concernsExperiments, countExperiments, type KnownExperiment } from '#inference-log/experiments.ts';
import type { AttemptRecord, BeginRecord, EndRecord, InferenceRow } from '#inference-log/record.ts';
import { beginRecord, endRecord, GROUP_ID, newInferenceId, ORGANIZATION_ID } from '#tests/support/records.ts';
import { readFinish } from '#translation/wires/gemini/finish.ts';

const EXPERIMENT = '01890000-0000-7000-8000-0000000000ee';
const INGEST = { latencyObjectiveUs: 5_000, firstTokenObjectiveUs: 1_000, caps: {} };
const KNOWN = new Map<string, KnownExperiment>([
  [EXPERIMENT, { organizationId: ORGANIZATION_ID, groupId: GROUP_ID, ingest: INGEST }],
]);
const US = 1_000;
const PLACE = { id: EXPERIMENT, phase: 1, arm: 1 };

function attempt(changes: Partial<AttemptRecord> = {}): AttemptRecord {
  return { ...endRecord().attempts[0]!, startNs: 1_000 * US, endNs: 3_000 * US, ...changes };
}

function row(end: Partial<EndRecord> = {}, begin: Partial<BeginRecord> = {}): InferenceRow {
  return {
    ...{ id: newInferenceId(), gatewayId: GROUP_ID, request: null, response: null },
    begin: beginRecord({ experiment: PLACE, ...begin }),
    end: endRecord({ attempts: [attempt()], ...end }),
  };
}

const sumsOf = (end: Partial<EndRecord>, begin: Partial<BeginRecord> = {}, ingest: typeof INGEST = INGEST) =>
  measure(row(end, begin), ingest).sums;

test('the columns are those that the built-in metrics read', () => {
  const read = Object.values(BUILTIN_METRICS).flatMap(({ sum, count }) => [sum, count]);
  // What is left of usage_n without those that do not say.
  const counted = read.map((column) => ({ input_n: 'without_input', output_n: 'without_output' })[column] ?? column);
  expect([...new Set(counted)].sort()).toEqual([...SUM_COLUMNS].sort());
});

test('a first attempt that succeeded counts with its time, and what the inference used', () => {
  const { sums, latencyNs } = measure(
    row({ inputTokens: 5, outputTokens: 7, cachedTokens: 2, costMicroUsd: 11 }),
    INGEST,
  );
  expect(sums).toEqual({
    ...{ requests: 1, failures: 0, over_objective: 0, latency_us: 2_000, latency_n: 1 },
    ...{ first_token_us: 0, first_token_n: 0, first_token_over: 0, input_tokens: 5, output_tokens: 7, usage_n: 1 },
    ...{ without_input: 0, without_output: 0 },
    ...{ cost_micro_usd: 11, cost_n: 1, cache_hits: 1, refusals: 0 },
  });
  expect(latencyNs).toBe(2_000 * US);
});

describe('failures are those of the assigned variant’s first attempt', () => {
  const failed = (end: Partial<EndRecord>) => {
    const { failures, over_objective, latency_n } = sumsOf({ outcome: 'failed', ...end });
    expect([failures, over_objective, latency_n]).toEqual([1, 1, 0]);
  };
  test.each([500, 502, 503, 529, 429, 408, 401, 403, 404, 302])('status %d', (status) => {
    failed({ errorCode: 'upstream_error', attempts: [attempt({ status })] });
    failed({ outcome: 'completed', attempts: [attempt({ status }), attempt()] });
  });
  test.each([
    'upstream_timeout',
    'upstream_unreachable',
    'upstream_protocol',
    'upstream_rate_limited',
    'internal',
  ] as const)('error %s, noted of the attempt or of the inference alone', (errorCode) => {
    failed({ errorCode, attempts: [attempt({ errorCode, status: null })] });
    failed({ errorCode, attempts: [attempt()] });
  });
  test('no attempt at all, though it began', () => failed({ errorCode: 'upstream_error', attempts: [] }));
  test('a first attempt that was another variant’s already', () =>
    failed({ outcome: 'completed', attempts: [attempt({ model: 'other' })] }));
  test('a fallback that answered does not hide it', () =>
    failed({
      ...{ outcome: 'completed', servedVariant: 'other' },
      attempts: [attempt({ status: 500 }), attempt({ model: 'other' })],
    }));
});

describe('no failures', () => {
  test.each([400, 409, 413, 415, 422])('the caller’s own mistake, status %d, which has no latency either', (status) => {
    const sums = sumsOf({ outcome: 'failed', errorCode: 'upstream_rejected', attempts: [attempt({ status })] });
    expect(sums).toMatchObject({ requests: 1, failures: 0, over_objective: 0, latency_n: 0 });
  });
  test('a provider that calls its own error a rejection', () => {
    const end = { outcome: 'failed', errorCode: 'upstream_rejected', attempts: [attempt({ status: 424 })] } as const;
    expect(sumsOf(end)).toMatchObject({ failures: 0 });
  });
  test('a caller who left, before, during and without an attempt', () => {
    const left = { outcome: 'client_closed', errorCode: 'client_closed' } as const;
    for (const attempts of [[attempt({ status: null })], [attempt()], []]) {
      expect(sumsOf({ ...left, attempts })).toMatchObject({
        requests: 1,
        failures: 0,
        over_objective: 0,
        latency_n: 0,
      });
    }
  });
  test('one who left behind the objective was kept waiting too long', () => {
    const attempts = [attempt({ status: null, endNs: 9_000 * US })];
    const left = { outcome: 'client_closed', errorCode: 'client_closed' } as const;
    expect(sumsOf({ ...left, attempts })).toMatchObject({ failures: 0, over_objective: 1, latency_n: 0 });
  });
  test('an interrupted inference is a request and nothing else', () => {
    const { requests, ...others } = sumsOf({
      outcome: 'interrupted',
      errorCode: 'interrupted',
      inputTokens: 5,
      attempts: [],
    });
    expect(requests).toBe(1);
    expect(Object.values(others).every((sum) => sum === 0)).toBe(true);
  });
});

test('over the objective is longer than it, not as long', () => {
  const lasting = (us: number) => sumsOf({ attempts: [attempt({ endNs: (1_000 + us) * US })] });
  expect(lasting(5_000)).toMatchObject({ over_objective: 0, latency_us: 5_000 });
  expect(lasting(5_001)).toMatchObject({ over_objective: 1, failures: 0 });
});

test('the first token counts of streams whose first attempt answered', () => {
  const streamed = { streamed: true };
  expect(sumsOf({ firstTokenNs: 900 * US }, streamed)).toMatchObject({
    first_token_us: 900,
    first_token_n: 1,
    first_token_over: 0,
  });
  expect(sumsOf({ firstTokenNs: 1_001 * US }, streamed)).toMatchObject({ first_token_n: 1, first_token_over: 1 });
  expect(sumsOf({ firstTokenNs: 900 * US })).toMatchObject({ first_token_n: 0 });
  expect(sumsOf({ firstTokenNs: null }, streamed)).toMatchObject({ first_token_n: 0 });
  const again = [attempt({ status: 500 }), attempt()];
  expect(sumsOf({ firstTokenNs: 900 * US, attempts: again }, streamed)).toMatchObject({ first_token_n: 0 });
});

test('unknown is not zero: usage and cost have counts of their own', () => {
  expect(sumsOf({ inputTokens: null, outputTokens: null, cachedTokens: 3 })).toMatchObject({
    usage_n: 0,
    cost_n: 0,
    cache_hits: 0,
  });
  expect(sumsOf({ inputTokens: 4, outputTokens: null })).toMatchObject({
    usage_n: 1,
    input_tokens: 4,
    output_tokens: 0,
    without_input: 0,
    without_output: 1,
  });
  expect(sumsOf({ inputTokens: null, outputTokens: 4 })).toMatchObject({ without_input: 1, without_output: 0 });
  expect(sumsOf({ costMicroUsd: 0 })).toMatchObject({ cost_n: 1, cost_micro_usd: 0 });
});

test('a single inference adds no more than the cap of its column; the histograms keep the value', () => {
  const ingest = { ...INGEST, caps: { latency_us: 1_500.9, output_tokens: 6 } };
  const { sums, latencyNs } = measure(row({ outputTokens: 7, inputTokens: 9 }), ingest);
  expect(sums).toMatchObject({ latency_us: 1_500, latency_n: 1, output_tokens: 6, input_tokens: 9, over_objective: 0 });
  expect(latencyNs).toBe(2_000 * US);
});

test.each([
  [null],
  [{}],
  ['text'],
  [{ ...attempt(), startNs: 'x' }],
])('attempts that no release writes do not stop a row: %j', (first) => {
  const { sums } = measure(row({ attempts: [first] as unknown as AttemptRecord[] }), INGEST);
  expect(Object.values(sums).every(Number.isSafeInteger)).toBe(true);
});

test('refusals are known by the words of every provider', () => {
  for (const word of [
    'content_filter',
    'refusal',
    'content_filtered',
    'guardrail_intervened',
    'SAFETY',
    'PROHIBITED_CONTENT',
  ]) {
    expect(sumsOf({ finishReason: word }).refusals).toBe(1);
  }
  for (const word of [null, 'stop', 'end_turn', 'STOP', 'length', 'toString']) {
    expect(sumsOf({ finishReason: word }).refusals).toBe(0);
  }
});

test('and these are the ones that translation reads as a filter or a refusal', () => {
  const gemini = [
    'STOP',
    'MAX_TOKENS',
    'SAFETY',
    'RECITATION',
    'LANGUAGE',
    'OTHER',
    'BLOCKLIST',
    'PROHIBITED_CONTENT',
    'SPII',
  ];
  const newer = [
    'MALFORMED_FUNCTION_CALL',
    'IMAGE_SAFETY',
    'IMAGE_PROHIBITED_CONTENT',
    'IMAGE_RECITATION',
    'NO_IMAGE',
    'MODEL_ARMOR',
  ];
  for (const word of [...gemini, ...newer]) expect(isRefusal(word)).toBe(readFinish(word, false) === 'content_filter');
  for (const word of ['end_turn', 'max_tokens', 'refusal', 'pause_turn']) {
    expect(isRefusal(word)).toBe(readStopReason(word) === 'refusal');
  }
});

describe('what counts', () => {
  const counts = (one: InferenceRow, known = KNOWN) => countExperiments([one], known);
  const NOTHING = { units: [], totals: [], inferences: [], shadows: [] };

  test('a row of an arm counts for its unit, its arm, and is found again by feedback', () => {
    const one = row({}, { unit: 'user-1', experiment: { ...PLACE, correlation: 'order-7' } });
    const { units, totals, inferences, shadows } = counts(one);
    const place = { experimentId: EXPERIMENT, phase: 1, arm: 1, organizationId: ORGANIZATION_ID };
    expect(units).toMatchObject([{ ...place, unit: 'd6d77053-92bc-7af6-3332-8bea8c4c6904' }]);
    expect(totals).toMatchObject([{ ...place, requests: 1, failures: 0 }]);
    expect(inferences).toMatchObject([
      { ...place, id: one.id, groupId: GROUP_ID, correlation: 'order-7', shadowOf: null },
    ]);
    expect(shadows).toEqual([]);
  });
  test('a row without an experiment costs a look', () => {
    const one = row({}, { experiment: undefined });
    expect(concernsExperiments(one)).toBe(false);
    expect(counts(one)).toEqual(NOTHING);
  });
  test('a pinned session counts in nothing', () => expect(counts(row({ servedReason: 'pinned' }))).toEqual(NOTHING));
  test('neither does one of an experiment that the store does not know, or that is another group’s', () => {
    expect(counts(row(), new Map())).toEqual(NOTHING);
    expect(counts(row({}, { groupId: ORGANIZATION_ID }))).toEqual(NOTHING);
    expect(counts(row({}, { organizationId: GROUP_ID }))).toEqual(NOTHING);
  });
  test('a mirrored call waits to be compared, can be reported of, and is no traffic', () => {
    const mirrored = newInferenceId();
    const one = row({ servedReason: 'shadow', servedVariant: null }, { shadowOf: mirrored });
    const { units, totals, inferences, shadows } = counts(one);
    expect([units, totals]).toEqual([[], []]);
    expect(inferences).toMatchObject([{ id: one.id, arm: 1, shadowOf: mirrored }]);
    expect(shadows).toMatchObject([
      { id: one.id, inferenceId: mirrored, experimentId: EXPERIMENT, shadowVariant: 'small' },
    ]);
  });
  test('a mirrored call outside of experiments, and one of an unknown one, is compared all the same', () => {
    const mirrored = newInferenceId();
    for (const one of [
      row({}, { shadowOf: mirrored, experiment: undefined }),
      row({}, { shadowOf: mirrored, groupId: ORGANIZATION_ID }),
    ]) {
      expect(counts(one)).toMatchObject({ units: [], totals: [], inferences: [], shadows: [{ experimentId: null }] });
    }
  });
});
