import { isUuid } from '#core/ids.ts';
import { reasonOf } from '#core/reason.ts';
import type { BeginRecord, EndRecord, ExperimentPlace } from './record.ts';

/** What a field must be so that a sink can take it; ranges are the store's to check. A `?` allows null, a `??` also that it is missing. */
type Kind =
  | ('uuid' | 'uuid??')
  | ('text' | 'text?' | 'text??')
  | ('number' | 'number?' | 'number??')
  | ('boolean' | 'list' | 'object??' | 'experiment??');

interface Field {
  readonly name: string;
  readonly kind: Kind;
}

function fieldsOf(kinds: Readonly<Record<string, Kind>>): readonly Field[] {
  return Object.entries(kinds).map(([name, kind]) => ({ name, kind }));
}

const BEGIN_FIELDS = fieldsOf({
  organizationId: 'uuid',
  groupId: 'uuid',
  configVersion: 'number',
  keyId: 'uuid',
  operation: 'text',
  dialect: 'text',
  streamed: 'boolean',
  assignedVariant: 'text',
  unit: 'text',
  unitSource: 'text',
  hashVersion: 'number',
  bucket: 'number',
  rangeFrom: 'number',
  rangeTo: 'number',
  phase: 'number',
  traceId: 'text',
  requestBytes: 'number',
  requestSha256: 'text?',
  metadata: 'object??',
  requestFacts: 'number??',
  experiment: 'experiment??',
  shadowOf: 'uuid??',
} satisfies Record<keyof BeginRecord, Kind>);

const END_FIELDS = fieldsOf({
  status: 'number',
  outcome: 'text',
  errorCode: 'text?',
  endReason: 'text',
  servedVariant: 'text?',
  servedReason: 'text',
  finishReason: 'text?',
  attempts: 'list',
  inputTokens: 'number?',
  outputTokens: 'number?',
  cachedTokens: 'number?',
  reasoningTokens: 'number?',
  queueNs: 'number',
  connectNs: 'number?',
  firstByteNs: 'number?',
  firstTokenNs: 'number?',
  totalNs: 'number',
  costMicroUsd: 'number??',
  requestSha256: 'text??',
  requestBytes: 'number??',
  responseBytes: 'number',
  responseSha256: 'text?',
  responseType: 'text?',
  responseFacts: 'number??',
} satisfies Record<keyof EndRecord, Kind>);

export type Parsed<Value> =
  | { readonly kind: 'parsed'; readonly value: Value }
  /** `groupId`, when at least that could be read. */
  | { readonly kind: 'bad'; readonly reason: string; readonly groupId: string | undefined };

/** Reads the meta of a begin frame. */
export function parseBegin(meta: Uint8Array): Parsed<BeginRecord> {
  return parse<BeginRecord>('begin', BEGIN_FIELDS, meta);
}

/** Reads the meta of an end frame. */
export function parseEnd(meta: Uint8Array): Parsed<EndRecord> {
  return parse<EndRecord>('end', END_FIELDS, meta);
}

function parse<Value>(frame: string, fields: readonly Field[], meta: Uint8Array): Parsed<Value> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(meta.buffer, meta.byteOffset, meta.byteLength).toString('utf8'));
  } catch (error) {
    return { kind: 'bad', reason: `${frame} is not JSON: ${reasonOf(error)}`, groupId: undefined };
  }
  if (typeof value !== 'object' || value === null) {
    return { kind: 'bad', reason: `${frame} is not an object`, groupId: undefined };
  }
  const record = value as Record<string, unknown>;
  for (const { name, kind } of fields) {
    if (!matches(record[name], kind)) {
      const groupId = record['groupId'];
      return {
        kind: 'bad',
        reason: `${frame}.${name} is not of kind ${kind}`,
        groupId: typeof groupId === 'string' && isUuid(groupId) ? groupId : undefined,
      };
    }
  }
  return { kind: 'parsed', value: value as Value };
}

function matches(value: unknown, kind: Kind): boolean {
  switch (kind) {
    case 'text':
      return typeof value === 'string';
    case 'number':
      return typeof value === 'number';
    case 'number?':
      return value === null || typeof value === 'number';
    case 'number??':
      return value === undefined || value === null || typeof value === 'number';
    case 'text?':
      return value === null || typeof value === 'string';
    case 'text??':
      return value === undefined || value === null || typeof value === 'string';
    case 'uuid':
      return typeof value === 'string' && isUuid(value);
    case 'uuid??':
      return value === undefined || (typeof value === 'string' && isUuid(value));
    case 'boolean':
      return typeof value === 'boolean';
    case 'list':
      return Array.isArray(value);
    case 'object??':
      return value === undefined || (typeof value === 'object' && !Array.isArray(value));
    case 'experiment??':
      return value === undefined || isExperimentPlace(value);
    default:
      return kind satisfies never;
  }
}

function isExperimentPlace(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { id, phase, arm, correlation } = value as Record<keyof ExperimentPlace, unknown>;
  return matches(id, 'uuid') && matches(phase, 'number') && matches(arm, 'number') && matches(correlation, 'text??');
}
