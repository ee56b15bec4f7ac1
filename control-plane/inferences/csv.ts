import type { InferenceView } from './inference-schemas.ts';

type Cell = string | number | boolean | null;

/** The columns of a CSV export, in order. */
export const csvColumns: readonly { readonly name: string; readonly of: (view: InferenceView) => Cell }[] = [
  { name: 'id', of: ({ id }) => id },
  { name: 'created_at', of: ({ createdAt }) => createdAt },
  { name: 'group', of: ({ group }) => group },
  { name: 'operation', of: ({ operation }) => operation },
  { name: 'dialect', of: ({ dialect }) => dialect },
  { name: 'streamed', of: ({ streamed }) => streamed },
  { name: 'assigned_variant', of: ({ assignedVariant }) => assignedVariant },
  { name: 'served_variant', of: ({ servedVariant }) => servedVariant },
  { name: 'served_reason', of: ({ servedReason }) => servedReason },
  { name: 'unit', of: ({ unit }) => unit },
  { name: 'unit_source', of: ({ unitSource }) => unitSource },
  { name: 'bucket', of: ({ bucket }) => bucket },
  { name: 'range_from', of: ({ range }) => range.from },
  { name: 'range_to', of: ({ range }) => range.to },
  { name: 'hash_version', of: ({ hashVersion }) => hashVersion },
  { name: 'phase', of: ({ phase }) => phase },
  { name: 'config_version', of: ({ configVersion }) => configVersion },
  { name: 'key_id', of: ({ keyId }) => keyId },
  { name: 'status', of: ({ status }) => status },
  { name: 'outcome', of: ({ outcome }) => outcome },
  { name: 'error_code', of: ({ errorCode }) => errorCode },
  { name: 'end_reason', of: ({ endReason }) => endReason },
  { name: 'finish_reason', of: ({ finishReason }) => finishReason },
  { name: 'provider', of: ({ attempts }) => attempts.at(-1)?.provider ?? null },
  { name: 'upstream_model', of: ({ attempts }) => attempts.at(-1)?.upstreamModel ?? null },
  { name: 'attempts', of: ({ attempts }) => attempts.length },
  { name: 'input_tokens', of: ({ usage }) => usage.inputTokens },
  { name: 'output_tokens', of: ({ usage }) => usage.outputTokens },
  { name: 'cached_tokens', of: ({ usage }) => usage.cachedTokens },
  { name: 'reasoning_tokens', of: ({ usage }) => usage.reasoningTokens },
  { name: 'cost_micro_usd', of: ({ costMicroUsd }) => costMicroUsd },
  { name: 'queue_ms', of: ({ timings }) => timings.queueMs },
  { name: 'connect_ms', of: ({ timings }) => timings.connectMs },
  { name: 'first_byte_ms', of: ({ timings }) => timings.firstByteMs },
  { name: 'first_token_ms', of: ({ timings }) => timings.firstTokenMs },
  { name: 'total_ms', of: ({ timings }) => timings.totalMs },
  { name: 'trace_id', of: ({ traceId }) => traceId },
  { name: 'metadata', of: ({ metadata }) => (metadata === null ? null : JSON.stringify(metadata)) },
  { name: 'request_bytes', of: ({ requestBytes }) => requestBytes },
  { name: 'response_bytes', of: ({ responseBytes }) => responseBytes },
  { name: 'experiment_id', of: ({ experiment }) => experiment?.id ?? null },
  { name: 'experiment_phase', of: ({ experiment }) => experiment?.phase ?? null },
  { name: 'arm', of: ({ experiment }) => experiment?.arm ?? null },
  { name: 'shadow_of', of: ({ shadowOf }) => shadowOf },
];

/** What makes spreadsheets take a text for a formula (OWASP, CSV injection); the full-width signs do in some locales. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/**
 * A record as RFC 4180 writes it, with its line end. A text that a spreadsheet would run gets an apostrophe in front, which it
 * shows as text; numbers are left alone.
 */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell !== 'string') return String(cell);
  const text = FORMULA.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
