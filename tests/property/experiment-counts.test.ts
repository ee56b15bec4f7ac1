import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeHistograms } from '#core/histogram.ts';
import { SUM_COLUMNS } from '#inference-log/experiment-measures.ts';
import { countExperiments, type ExperimentCounts, type KnownExperiment } from '#inference-log/experiments.ts';
import type { EndRecord, InferenceRow } from '#inference-log/record.ts';
import { INGEST } from '#tests/support/experiments.ts';
import { beginRecord, endRecord, GROUP_ID, newInferenceId, ORGANIZATION_ID } from '#tests/support/records.ts';

const EXPERIMENTS = [randomUUID(), randomUUID()] as const;
const ingest = { ...INGEST, caps: { latency_us: 4_000, output_tokens: 50 } };
const KNOWN = new Map<string, KnownExperiment>([
  [EXPERIMENTS[0], { organizationId: ORGANIZATION_ID, groupId: GROUP_ID, ingest }],
  [EXPERIMENTS[1], { organizationId: ORGANIZATION_ID, groupId: GROUP_ID, ingest: INGEST }],
]);
const START = Date.parse('2026-03-02T10:00:00Z');

const count = fc.option(fc.nat(1_000));
const ends: fc.Arbitrary<Partial<EndRecord>> = fc
  .record({
    ends: fc.constantFrom<Partial<EndRecord>>(
      { outcome: 'completed', errorCode: null },
      { outcome: 'failed', errorCode: 'upstream_error' },
      { outcome: 'failed', errorCode: 'upstream_rejected' },
      { outcome: 'client_closed', errorCode: 'client_closed' },
      { outcome: 'interrupted', errorCode: 'interrupted', attempts: [] },
    ),
    used: fc.record({ inputTokens: count, outputTokens: count, cachedTokens: count, costMicroUsd: count }),
    firstTokenNs: fc.option(fc.nat(4_000_000)),
    endNs: fc.nat(12_000_000),
    finishReason: fc.constantFrom(null, 'stop', 'refusal'),
    servedReason: fc.constantFrom('assigned' as const, 'assigned' as const, 'none' as const, 'pinned' as const),
  })
  .map(({ ends: ended, used, endNs, ...rest }) => ({
    attempts: [{ ...endRecord().attempts[0]!, startNs: 0, endNs }],
    ...{ ...ended, ...used, ...rest },
  }));
const rows: fc.Arbitrary<InferenceRow> = fc
  .record({
    place: fc.option(
      fc.record({ id: fc.constantFrom(...EXPERIMENTS), phase: fc.constantFrom(1, 2), arm: fc.constantFrom(0, 1) }),
      { nil: undefined },
    ),
    ms: fc.nat(200_000),
    unit: fc.constantFrom('a', 'b', 'c\0', 'c\uFFFD', 'd'),
    streamed: fc.boolean(),
    isShadow: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
    end: ends,
  })
  .map(({ place, ms, unit, streamed, isShadow, end }) => ({
    ...{ id: newInferenceId(START + ms), gatewayId: GROUP_ID, request: null, response: null },
    begin: beginRecord({ unit, streamed, experiment: place, ...(isShadow ? { shadowOf: newInferenceId(START) } : {}) }),
    end: endRecord(end),
  }));

/** What the store does with one batch after the other. */
function addedUp(batches: readonly ExperimentCounts[]): ExperimentCounts {
  const keyOf = (delta: { experimentId: string; phase: number; arm: number; unit?: string }) =>
    `${delta.experimentId} ${delta.phase} ${delta.arm}${delta.unit === undefined ? '' : ` ${delta.unit}`}`;
  const merged = <Delta extends Parameters<typeof keyOf>[0]>(
    deltas: readonly Delta[],
    add: (a: Delta, b: Delta) => Delta,
  ) => [...Map.groupBy(deltas, keyOf)].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, some]) => some.reduce(add));
  const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
  return {
    units: merged(
      batches.flatMap(({ units }) => units),
      (a, b) => ({
        ...{ ...a, firstAtMs: Math.min(a.firstAtMs, b.firstAtMs) },
        sums: Object.fromEntries(
          SUM_COLUMNS.map((column) => [column, a.sums[column] + b.sums[column]]),
        ) as typeof a.sums,
      }),
    ),
    totals: merged(
      batches.flatMap(({ totals }) => totals),
      (a, b) => ({
        ...{ ...a, requests: a.requests + b.requests, failures: a.failures + b.failures },
        ...{ latency: mergeHistograms(a.latency, b.latency), firstToken: mergeHistograms(a.firstToken, b.firstToken) },
        lastAtMs: Math.max(a.lastAtMs, b.lastAtMs),
      }),
    ),
    inferences: batches.flatMap(({ inferences }) => inferences).sort(byId),
    shadows: batches.flatMap(({ shadows }) => shadows).sort(byId),
  };
}

test('cut into batches anywhere and in any order, rows add up to the same', () => {
  fc.assert(
    fc.property(
      fc.array(rows, { maxLength: 60 }),
      fc.array(fc.nat(60), { maxLength: 6 }),
      fc.nat(),
      (some, cuts, turn) => {
        const at = turn % (some.length + 1);
        const turned = [...some.slice(at), ...some.slice(0, at)].reverse();
        const edges = [0, ...cuts.filter((cut) => cut < turned.length).sort((a, b) => a - b), turned.length];
        const batches = edges.slice(1).map((edge, index) => countExperiments(turned.slice(edges[index], edge), KNOWN));
        expect(addedUp(batches)).toEqual(countExperiments(some, KNOWN));
      },
    ),
  );
});

test('an arm is its units together, and every counted row is one request of one unit', () => {
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 60 }), (some) => {
      const { units, totals, inferences } = countExperiments(some, KNOWN);
      for (const { experimentId, phase, arm, requests, failures } of totals) {
        const own = units.filter(
          (unit) => unit.experimentId === experimentId && unit.phase === phase && unit.arm === arm,
        );
        const sum = (column: 'requests' | 'failures') => own.reduce((total, { sums }) => total + sums[column], 0);
        expect([sum('requests'), sum('failures')]).toEqual([requests, failures]);
      }
      const requests = totals.reduce((total, one) => total + one.requests, 0);
      expect(inferences.filter(({ shadowOf }) => shadowOf === null)).toHaveLength(requests);
      for (const { sums } of units) {
        expect(Math.max(sums.failures, sums.over_objective, sums.refusals, sums.latency_n)).toBeLessThanOrEqual(
          sums.requests,
        );
        expect(sums.failures + sums.latency_n).toBeLessThanOrEqual(sums.requests);
        expect(sums.first_token_over).toBeLessThanOrEqual(sums.first_token_n);
        expect(sums.cache_hits).toBeLessThanOrEqual(sums.usage_n);
      }
    }),
  );
});

test('they come in one order, whatever that of the rows, so that shippers lock alike', () => {
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 40 }), (some) => {
      expect(countExperiments(some.toReversed(), KNOWN)).toEqual(countExperiments(some, KNOWN));
    }),
  );
});
