import { createHash } from 'node:crypto';
import type { Operation } from '#core/names.ts';
import type { AttemptRecord } from '#inference-log/record.ts';
import type { InferenceRow, PayloadRow } from '#store/inferences.ts';
import { wholenessOf } from './captured.ts';
import { isShallow } from './depth.ts';
import type { InferenceView, PayloadView } from './inference-schemas.ts';
import { ms } from './waterfall.ts';

/** An inference as answers show it. */
export function inferenceView(row: InferenceRow, groupName: string): InferenceView {
  return {
    id: row.id,
    createdAt: row.created_at.toISOString(),
    group: groupName,
    operation: row.operation as Operation,
    dialect: row.dialect,
    streamed: row.streamed,
    assignedVariant: row.assigned_variant,
    servedVariant: row.served_variant,
    servedReason: row.served_reason,
    unit: row.unit,
    unitSource: row.unit_source,
    bucket: row.bucket,
    range: { from: row.range_from, to: row.range_to },
    hashVersion: row.hash_version,
    phase: row.phase,
    configVersion: row.config_version,
    keyId: row.key_id,
    status: row.status,
    outcome: row.outcome,
    errorCode: row.error_code,
    endReason: row.end_reason,
    finishReason: row.finish_reason,
    usage: {
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      cachedTokens: row.cached_tokens,
      reasoningTokens: row.reasoning_tokens,
    },
    costMicroUsd: row.cost_micro_usd,
    timings: {
      queueMs: ms(row.queue_ns),
      connectMs: ms(row.connect_ns),
      firstByteMs: ms(row.first_byte_ns),
      firstTokenMs: ms(row.first_token_ns),
      totalMs: ms(row.total_ns),
    },
    attempts: attemptsOf(row).map(attemptView),
    traceId: row.trace_id,
    metadata: row.metadata,
    requestBytes: row.request_bytes,
    responseBytes: row.response_bytes,
  };
}

/** The upstream calls of an inference, as they were recorded. */
export function attemptsOf(row: InferenceRow): readonly AttemptRecord[] {
  return row.attempts as AttemptRecord[];
}

function attemptView(attempt: AttemptRecord): InferenceView['attempts'][number] {
  const { startNs, connectNs, firstByteNs, endNs, ...rest } = attempt;
  return { ...rest, startMs: ms(startNs), connectMs: ms(connectNs), firstByteMs: ms(firstByteNs), endMs: ms(endNs) };
}

/** Both sides of an inference as answers show them. */
export function payloadViews(
  row: InferenceRow,
  payload: PayloadRow | undefined,
): { readonly request: PayloadView; readonly response: PayloadView } {
  return {
    request: payloadView({
      captured: payload?.request ?? null,
      sha256: payload?.request_sha256 ?? null,
      bytes: row.request_bytes,
      contentType: null,
    }),
    response: payloadView({
      captured: payload?.response ?? null,
      sha256: payload?.response_sha256 ?? null,
      bytes: row.response_bytes,
      contentType: payload?.response_type ?? null,
    }),
  };
}

/** One side of an inference as it was captured. */
interface CapturedSide {
  readonly captured: Buffer | null;
  /** Stored only when the whole is longer than what was captured. */
  readonly sha256: Buffer | null;
  /** Length of the whole. */
  readonly bytes: number;
  readonly contentType: string | null;
}

function payloadView({ captured, sha256, bytes, contentType }: CapturedSide): PayloadView {
  const kept = captured === null ? null : wholenessOf(captured, bytes, sha256);
  const digest =
    sha256 ?? (captured !== null && kept === 'whole' ? createHash('sha256').update(captured).digest() : null);
  return {
    ...(contentType === null ? {} : { contentType }),
    bytes,
    sha256: digest?.toString('hex') ?? null,
    truncated: kept === 'truncated',
    redacted: kept === 'redacted',
    captured: captured !== null,
    body: captured === null ? null : readable(captured.toString('utf8'), kept !== 'truncated'),
  };
}

/** Parsed if it is a JSON object or array, else the text itself. */
function readable(text: string, whole: boolean): unknown {
  if (!whole || !/^\s*[[{]/.test(text)) return text;
  try {
    const value: unknown = JSON.parse(text);
    return isShallow(value) ? value : text;
  } catch {
    return text;
  }
}
