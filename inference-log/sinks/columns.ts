import { unixMsOfId } from '#core/ids.ts';
import { type InferenceRow, RECORD_SCHEMA_VERSION } from '../record.ts';

/** A column of a table and where its value comes from. Values travel as one array per column, of this PostgreSQL type. */
export interface Column {
  readonly name: string;
  readonly type: 'uuid' | 'timestamptz' | 'smallint' | 'integer' | 'bigint' | 'text' | 'boolean' | 'jsonb';
  readonly of: (row: InferenceRow) => string | number | boolean | null;
}

/** What both tables have. */
export const KEY_COLUMNS: readonly Column[] = [
  { name: 'id', type: 'uuid', of: ({ id }) => id },
  { name: 'group_id', type: 'uuid', of: ({ begin }) => begin.groupId },
  { name: 'created_at', type: 'timestamptz', of: ({ id }) => createdAtOf(id) },
  { name: 'organization_id', type: 'uuid', of: ({ begin }) => begin.organizationId },
];

export const INFERENCE_COLUMNS: readonly Column[] = [
  ...KEY_COLUMNS,
  { name: 'schema_version', type: 'smallint', of: () => RECORD_SCHEMA_VERSION },
  { name: 'gateway_id', type: 'uuid', of: ({ gatewayId }) => gatewayId },
  { name: 'config_version', type: 'bigint', of: ({ begin }) => begin.configVersion },
  { name: 'key_id', type: 'uuid', of: ({ begin }) => begin.keyId },
  { name: 'operation', type: 'text', of: ({ begin }) => cleanText(begin.operation) },
  { name: 'dialect', type: 'text', of: ({ begin }) => cleanText(begin.dialect) },
  { name: 'streamed', type: 'boolean', of: ({ begin }) => begin.streamed },
  { name: 'assigned_variant', type: 'text', of: ({ begin }) => cleanText(begin.assignedVariant) },
  { name: 'served_variant', type: 'text', of: ({ end }) => cleanText(end.servedVariant) },
  { name: 'served_reason', type: 'text', of: ({ end }) => cleanText(end.servedReason) },
  { name: 'unit', type: 'text', of: ({ begin }) => cleanText(begin.unit) },
  { name: 'unit_source', type: 'text', of: ({ begin }) => cleanText(begin.unitSource) },
  { name: 'hash_version', type: 'integer', of: ({ begin }) => begin.hashVersion },
  { name: 'bucket', type: 'smallint', of: ({ begin }) => begin.bucket },
  { name: 'range_from', type: 'smallint', of: ({ begin }) => begin.rangeFrom },
  { name: 'range_to', type: 'smallint', of: ({ begin }) => begin.rangeTo },
  { name: 'phase', type: 'integer', of: ({ begin }) => begin.phase },
  { name: 'status', type: 'smallint', of: ({ end }) => end.status },
  { name: 'outcome', type: 'text', of: ({ end }) => cleanText(end.outcome) },
  { name: 'error_code', type: 'text', of: ({ end }) => cleanText(end.errorCode) },
  { name: 'end_reason', type: 'text', of: ({ end }) => cleanText(end.endReason) },
  { name: 'finish_reason', type: 'text', of: ({ end }) => cleanText(end.finishReason) },
  { name: 'attempts', type: 'jsonb', of: ({ end }) => cleanJson(end.attempts) },
  { name: 'input_tokens', type: 'integer', of: ({ end }) => end.inputTokens },
  { name: 'output_tokens', type: 'integer', of: ({ end }) => end.outputTokens },
  { name: 'cached_tokens', type: 'integer', of: ({ end }) => end.cachedTokens },
  { name: 'reasoning_tokens', type: 'integer', of: ({ end }) => end.reasoningTokens },
  { name: 'queue_ns', type: 'bigint', of: ({ end }) => end.queueNs },
  { name: 'connect_ns', type: 'bigint', of: ({ end }) => end.connectNs },
  { name: 'first_byte_ns', type: 'bigint', of: ({ end }) => end.firstByteNs },
  { name: 'first_token_ns', type: 'bigint', of: ({ end }) => end.firstTokenNs },
  { name: 'total_ns', type: 'bigint', of: ({ end }) => end.totalNs },
  { name: 'trace_id', type: 'text', of: ({ begin }) => cleanText(begin.traceId) },
  { name: 'request_bytes', type: 'bigint', of: ({ begin }) => begin.requestBytes },
  { name: 'response_bytes', type: 'bigint', of: ({ end }) => end.responseBytes },
];

/** `UNNEST($n::type[], …)` for columns, the first parameter being `$first`. */
export function unnest(columns: readonly Column[], first: number): string {
  return `UNNEST(${columns.map(({ type }, index) => `$${first + index}::${type}[]`).join(', ')})`;
}

/** The moment inside a UUIDv7, to the millisecond, as PostgreSQL reads it. */
export function createdAtOf(id: string): string {
  return new Date(unixMsOfId(id)).toISOString();
}

/** PostgreSQL's text holds neither NUL nor half a surrogate pair: both become U+FFFD. */
export function cleanText<Text extends string | null>(text: Text): Text | string {
  if (text === null || (text.isWellFormed() && !text.includes('\0'))) return text;
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

function cleanJson(value: unknown): string {
  const json = JSON.stringify(value);
  // The stringifier escapes exactly these, so most values are seen to be clean at a glance.
  if (!json.includes('\\u')) return json;
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'string' ? cleanText(inner) : inner));
}
