import { createHash } from 'node:crypto';
import type { Operation } from '#core/names.ts';
import type { AttemptRecord } from '#inference-log/record.ts';
import type { InferenceRow } from '#store/inferences.ts';
import type { InferenceView, PayloadView } from './inference-schemas.ts';

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
    attempts: (row.attempts as AttemptRecord[]).map(attemptView),
    traceId: row.trace_id,
    requestBytes: row.request_bytes,
    responseBytes: row.response_bytes,
  };
}

function attemptView(attempt: AttemptRecord): InferenceView['attempts'][number] {
  const { startNs, connectNs, firstByteNs, endNs, ...rest } = attempt;
  return { ...rest, startMs: ms(startNs), connectMs: ms(connectNs), firstByteMs: ms(firstByteNs), endMs: ms(endNs) };
}

/** Nanoseconds as milliseconds, to the microsecond. */
function ms<Ns extends number | null>(ns: Ns): Ns {
  return (ns === null ? null : Math.round(ns / 1_000) / 1_000) as Ns;
}

/** One side of an inference as it was captured. */
export interface CapturedSide {
  readonly captured: Buffer | null;
  /** Stored only when the whole is longer than what was captured. */
  readonly sha256: Buffer | null;
  /** Length of the whole. */
  readonly bytes: number;
  readonly contentType: string | null;
}

/** One side of an inference as answers show it. */
export function payloadView({ captured, sha256, bytes, contentType }: CapturedSide): PayloadView {
  const whole = captured !== null && captured.length === bytes;
  const digest = sha256 ?? (whole ? createHash('sha256').update(captured).digest() : null);
  return {
    ...(contentType === null ? {} : { contentType }),
    bytes,
    sha256: digest?.toString('hex') ?? null,
    truncated: captured !== null && !whole,
    captured: captured !== null,
    body: captured === null ? null : readable(captured.toString('utf8'), whole),
  };
}

/** What is nested deeper is shown as text: writing it out as JSON would overflow the stack. */
const MAX_SHOWN_DEPTH = 200;

/** Parsed if it is a JSON object or array, else the text itself. */
function readable(text: string, whole: boolean): unknown {
  if (!whole || !/^\s*[[{]/.test(text)) return text;
  try {
    const value: unknown = JSON.parse(text);
    return isShallow(value, MAX_SHOWN_DEPTH) ? value : text;
  } catch {
    return text;
  }
}

function isShallow(value: unknown, depthLeft: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depthLeft > 0 && Object.values(value).every((item) => isShallow(item, depthLeft - 1));
}
