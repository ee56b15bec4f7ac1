import { packFacts } from '#core/capture-facts.ts';
import { unixMsOfId } from '#core/ids.ts';
import { type InferenceRow, RECORD_SCHEMA_VERSION } from '../record.ts';

/** The PostgreSQL types of the log's columns. */
export type ColumnType =
  | 'uuid'
  | 'timestamptz'
  | 'smallint'
  | 'integer'
  | 'bigint'
  | 'text'
  | 'boolean'
  | 'jsonb'
  | 'bytea';

/** A column of a table and where its value comes from. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** A timestamptz in Unix milliseconds, jsonb as its text, a bytea as bytes or as hex digits, a text not yet cleaned. */
  readonly of: (row: InferenceRow) => string | number | boolean | Uint8Array | null;
}

/** What both tables have. */
const KEY_COLUMNS: readonly Column[] = [
  { name: 'id', type: 'uuid', of: ({ id }) => id },
  { name: 'group_id', type: 'uuid', of: ({ begin }) => begin.groupId },
  { name: 'created_at', type: 'timestamptz', of: ({ id }) => unixMsOfId(id) },
  { name: 'organization_id', type: 'uuid', of: ({ begin }) => begin.organizationId },
];

export const INFERENCE_COLUMNS: readonly Column[] = [
  ...KEY_COLUMNS,
  { name: 'schema_version', type: 'smallint', of: () => RECORD_SCHEMA_VERSION },
  { name: 'gateway_id', type: 'uuid', of: ({ gatewayId }) => gatewayId },
  { name: 'config_version', type: 'bigint', of: ({ begin }) => begin.configVersion },
  { name: 'key_id', type: 'uuid', of: ({ begin }) => begin.keyId },
  { name: 'operation', type: 'text', of: ({ begin }) => begin.operation },
  { name: 'dialect', type: 'text', of: ({ begin }) => begin.dialect },
  { name: 'streamed', type: 'boolean', of: ({ begin }) => begin.streamed },
  { name: 'assigned_variant', type: 'text', of: ({ begin }) => begin.assignedVariant },
  { name: 'served_variant', type: 'text', of: ({ end }) => end.servedVariant },
  { name: 'served_reason', type: 'text', of: ({ end }) => end.servedReason },
  { name: 'unit', type: 'text', of: ({ begin }) => begin.unit },
  { name: 'unit_source', type: 'text', of: ({ begin }) => begin.unitSource },
  { name: 'hash_version', type: 'integer', of: ({ begin }) => begin.hashVersion },
  { name: 'bucket', type: 'smallint', of: ({ begin }) => begin.bucket },
  { name: 'range_from', type: 'smallint', of: ({ begin }) => begin.rangeFrom },
  { name: 'range_to', type: 'smallint', of: ({ begin }) => begin.rangeTo },
  { name: 'phase', type: 'integer', of: ({ begin }) => begin.phase },
  { name: 'status', type: 'smallint', of: ({ end }) => end.status },
  { name: 'outcome', type: 'text', of: ({ end }) => end.outcome },
  { name: 'error_code', type: 'text', of: ({ end }) => end.errorCode },
  { name: 'end_reason', type: 'text', of: ({ end }) => end.endReason },
  { name: 'finish_reason', type: 'text', of: ({ end }) => end.finishReason },
  { name: 'attempts', type: 'jsonb', of: ({ end }) => cleanJson(end.attempts) },
  { name: 'input_tokens', type: 'integer', of: ({ end }) => end.inputTokens },
  { name: 'output_tokens', type: 'integer', of: ({ end }) => end.outputTokens },
  { name: 'cached_tokens', type: 'integer', of: ({ end }) => end.cachedTokens },
  { name: 'reasoning_tokens', type: 'integer', of: ({ end }) => end.reasoningTokens },
  { name: 'cost_micro_usd', type: 'bigint', of: ({ end }) => end.costMicroUsd ?? null },
  { name: 'queue_ns', type: 'bigint', of: ({ end }) => end.queueNs },
  { name: 'connect_ns', type: 'bigint', of: ({ end }) => end.connectNs },
  { name: 'first_byte_ns', type: 'bigint', of: ({ end }) => end.firstByteNs },
  { name: 'first_token_ns', type: 'bigint', of: ({ end }) => end.firstTokenNs },
  { name: 'total_ns', type: 'bigint', of: ({ end }) => end.totalNs },
  { name: 'trace_id', type: 'text', of: ({ begin }) => begin.traceId },
  { name: 'metadata', type: 'jsonb', of: ({ begin }) => (begin.metadata ? cleanJson(begin.metadata) : null) },
  { name: 'request_bytes', type: 'bigint', of: ({ begin, end }) => end.requestBytes ?? begin.requestBytes },
  { name: 'response_bytes', type: 'bigint', of: ({ end }) => end.responseBytes },
  {
    name: 'capture_facts',
    type: 'smallint',
    of: ({ begin, end }) => packFacts(begin.requestFacts, end.responseFacts),
  },
  { name: 'experiment_id', type: 'uuid', of: ({ begin }) => begin.experiment?.id ?? null },
  { name: 'experiment_phase', type: 'integer', of: ({ begin }) => begin.experiment?.phase ?? null },
  { name: 'arm', type: 'smallint', of: ({ begin }) => begin.experiment?.arm ?? null },
  { name: 'shadow_of', type: 'uuid', of: ({ begin }) => begin.shadowOf ?? null },
];

export const PAYLOAD_COLUMNS: readonly Column[] = [
  ...KEY_COLUMNS,
  { name: 'request', type: 'bytea', of: ({ request }) => request },
  { name: 'request_sha256', type: 'bytea', of: requestSha256Of },
  { name: 'response', type: 'bytea', of: ({ response }) => response },
  { name: 'response_sha256', type: 'bytea', of: ({ end }) => end.responseSha256 },
  { name: 'response_type', type: 'text', of: ({ end }) => end.responseType },
];

export function namesOf(columns: readonly Column[]): string {
  return columns.map(({ name }) => name).join(', ');
}

/** Whether anything of an inference's payloads was captured. */
export function hasPayload(row: InferenceRow): boolean {
  const { request, response, end } = row;
  return request !== null || response !== null || requestSha256Of(row) !== null || end.responseSha256 !== null;
}

function requestSha256Of({ begin, end }: InferenceRow): string | null {
  return begin.requestSha256 ?? end.requestSha256 ?? null;
}

/** PostgreSQL's text holds neither NUL nor half a surrogate pair: both become U+FFFD. */
export function cleanText(text: string): string {
  if (text.isWellFormed() && !text.includes('\0')) return text;
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

function cleanJson(value: unknown): string {
  const json = JSON.stringify(value);
  // The stringifier escapes exactly these, so most values are seen to be clean at a glance.
  if (!json.includes('\\u')) return json;
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'string' ? cleanText(inner) : inner));
}
