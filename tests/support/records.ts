import { createInferenceId, createRandomPool, groupHashOf } from '#core/ids.ts';
import type { BeginRecord, EndRecord } from '#inference-log/record.ts';

export const ORGANIZATION_ID = '01890000-0000-7000-8000-000000000001';
export const GROUP_ID = '01890000-0000-7000-8000-000000000002';
export const KEY_ID = '01890000-0000-7000-8000-000000000003';

const pool = createRandomPool();

/** A new inference id of the group, made now unless told otherwise. */
export function newInferenceId(unixMs = Date.now(), groupId = GROUP_ID): string {
  return createInferenceId(unixMs, groupHashOf(groupId), pool);
}

export function beginRecord(changes: Partial<BeginRecord> = {}): BeginRecord {
  return {
    organizationId: ORGANIZATION_ID,
    groupId: GROUP_ID,
    configVersion: 7,
    keyId: KEY_ID,
    operation: 'chat',
    dialect: 'openai-chat',
    streamed: false,
    assignedVariant: 'small',
    unit: 'user-1',
    unitSource: 'user',
    hashVersion: 1,
    bucket: 4321,
    rangeFrom: 0,
    rangeTo: 5000,
    phase: 2,
    traceId: '0af7651916cd43dd8448eb211c80319c',
    requestBytes: 3,
    requestSha256: null,
    ...changes,
  };
}

export function endRecord(changes: Partial<EndRecord> = {}): EndRecord {
  return {
    status: 200,
    outcome: 'completed',
    errorCode: null,
    endReason: 'body',
    servedVariant: 'small',
    servedReason: 'assigned',
    finishReason: 'stop',
    attempts: [
      {
        provider: 'simulated',
        model: 'small',
        upstreamModel: 'small-1',
        status: 200,
        errorCode: null,
        startNs: 10,
        connectNs: 20,
        firstByteNs: 30,
        endNs: 40,
        requestId: 'req_1',
      },
    ],
    inputTokens: 5,
    outputTokens: 0,
    cachedTokens: null,
    reasoningTokens: null,
    queueNs: 1,
    connectNs: 2,
    firstByteNs: 3,
    firstTokenNs: null,
    totalNs: 4_000_000_000,
    responseBytes: 4,
    responseSha256: null,
    responseType: 'application/json',
    ...changes,
  };
}

/** What a ledger counts of rows that have left the tables: none. */
export const IN_TABLES = { archived: 0, expired: 0 };
