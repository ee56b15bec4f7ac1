import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { ERROR_CODE_LIST, type ErrorCode } from '#core/errors.ts';
import type { AttemptRecord, BeginRecord, EndRecord, InferenceRow } from '#inference-log/record.ts';
import { beginRecord, endRecord, newInferenceId } from './records.ts';

/** Keys of drawn inferences. */
export const KEYS = [randomUUID(), randomUUID(), randomUUID()];

const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: null });
const status = optional(fc.constantFrom(200, 201, 301, 400, 401, 404, 409, 413, 422, 429, 500, 503));
const code = optional(fc.constantFrom(...(ERROR_CODE_LIST as ErrorCode[])));

/** Inferences with every outcome, odd and impossible ones too: all ways of counting must agree on them. */
export const drawnInference = fc.record({
  arm: fc.integer({ min: 0, max: 1 }),
  phase: fc.integer({ min: 1, max: 2 }),
  unit: fc.integer({ min: 0, max: 12 }),
  key: fc.constantFrom(...KEYS),
  tenant: optional(fc.constantFrom('acme', 'umbrella')),
  streamed: fc.boolean(),
  outcome: fc.constantFrom<EndRecord['outcome']>('completed', 'completed', 'failed', 'client_closed', 'interrupted'),
  errorCode: code,
  finishReason: optional(fc.constantFrom('stop', 'content_filter', 'SAFETY', 'refusal', 'length')),
  attempts: fc.array(
    fc.record({ isOther: fc.boolean(), status, errorCode: code, lastedNs: fc.integer({ min: -5, max: 9_000_000 }) }),
    { maxLength: 3 },
  ),
  inputTokens: optional(fc.nat(1_000)),
  outputTokens: optional(fc.nat(1_000)),
  cachedTokens: optional(fc.nat(5)),
  costMicroUsd: optional(fc.nat(100)),
  firstTokenNs: optional(fc.nat(1_000_000)),
});
export type Drawn = typeof drawnInference extends fc.Arbitrary<infer Value> ? Value : never;

/** Where a drawn inference is put. */
export interface DrawnPlace {
  readonly organizationId: string;
  readonly groupId: string;
  readonly gatewayId: string;
  readonly experimentId: string;
  readonly atMs: number;
}

/** As a shipper has it. @param changes of its begin record */
export function drawnRow(drawn: Drawn, place: DrawnPlace, changes: Partial<BeginRecord> = {}): InferenceRow {
  const { organizationId, groupId, gatewayId, experimentId, atMs } = place;
  const assigned = drawn.arm === 0 ? 'a' : 'b';
  const attempts = drawn.attempts.map(
    ({ isOther, status, errorCode, lastedNs }): AttemptRecord => ({
      ...{ provider: 'p', model: isOther ? 'c' : assigned, upstreamModel: `up-${assigned}-${drawn.key}` },
      ...{ status, errorCode, requestId: null },
      ...{ startNs: 1_000, connectNs: null, firstByteNs: null, endNs: 1_000 + lastedNs },
    }),
  );
  const begin: BeginRecord = beginRecord({
    ...{ organizationId, groupId, keyId: drawn.key, streamed: drawn.streamed },
    ...{ assignedVariant: assigned, unit: `user-${drawn.unit}`, phase: 2, hashVersion: 1 },
    metadata: drawn.tenant === null ? undefined : { tenant: drawn.tenant },
    experiment: { id: experimentId, phase: drawn.phase, arm: drawn.arm },
    ...changes,
  });
  const { outcome, errorCode, finishReason, inputTokens, outputTokens, cachedTokens, costMicroUsd, firstTokenNs } =
    drawn;
  return {
    ...{ id: newInferenceId(atMs, groupId), gatewayId, request: null, response: null, begin },
    end: endRecord({
      ...{ outcome, errorCode, finishReason, inputTokens, outputTokens, cachedTokens, costMicroUsd, firstTokenNs },
      ...{ attempts, servedVariant: assigned },
    }),
  };
}
