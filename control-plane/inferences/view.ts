import type { Operation } from '#core/names.ts';
import type { AttemptRecord } from '#inference-log/record.ts';
import type { InferenceRow, PayloadRow } from '#store/inferences.ts';
import { type CapturedSide, requestOf, responseOf } from './captured.ts';
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
    experiment: experimentOf(row),
    shadowOf: row.shadow_of,
    traceId: row.trace_id,
    metadata: row.metadata,
    requestBytes: row.request_bytes,
    responseBytes: row.response_bytes,
  };
}

function experimentOf(row: InferenceRow): InferenceView['experiment'] {
  const { experiment_id: id, experiment_phase: phase, arm } = row;
  return id === null || phase === null || arm === null ? null : { id, phase, arm };
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
  const contentType = payload?.response_type ?? null;
  return {
    request: payloadView(requestOf(row, payload), row.request_bytes),
    response: {
      ...(contentType === null ? {} : { contentType }),
      ...payloadView(responseOf(row, payload), row.response_bytes),
    },
  };
}

/** @param bytes length of the whole */
function payloadView(side: CapturedSide, bytes: number): PayloadView {
  const sha256 = side.sha256?.toString('hex') ?? null;
  if (side.kind === 'missing') {
    const nothing = { truncated: false, cutBy: [], redacted: false, captured: false, body: null };
    return { bytes, sha256, missing: side.why, ...nothing };
  }
  const { isWhole, isRedacted, cutBy } = side;
  return {
    bytes,
    sha256,
    truncated: !isWhole,
    cutBy: cutBy === null ? null : [...cutBy],
    redacted: isRedacted,
    captured: true,
    missing: null,
    body: readable(side.bytes.toString('utf8'), isWhole),
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
