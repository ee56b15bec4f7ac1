import type { AttemptRecord, EndRecord } from '#inference-log/record.ts';
import type { Usage } from '../telemetry/recorder.ts';
import { ANONYMOUS_SERIES } from '../telemetry/series.ts';
import { Capture } from './capture.ts';
import type { Ending, Exchange, FlowDeps } from './ports.ts';

/** Writes the begin frame: from here on the inference is accepted and must end in the log. */
export function recordBegin(deps: FlowDeps, exchange: Exchange, body: Buffer): void {
  const { organization, group, variant, placement, unit, unitSource } = exchange.assignment!;
  const capture = new Capture(group.group.capture, null);
  capture.add(body);
  deps.spool.begin(
    exchange.id,
    {
      organizationId: organization.id,
      groupId: group.group.id,
      configVersion: organization.version,
      keyId: exchange.key!.id,
      operation: exchange.operation,
      dialect: 'openai-chat',
      streamed: exchange.request!.stream,
      assignedVariant: variant.variant.model.name,
      unit,
      unitSource,
      hashVersion: group.group.split!.hashVersion,
      bucket: placement.bucket,
      rangeFrom: placement.range[0],
      rangeTo: placement.range[1],
      phase: group.group.phase,
      traceId: exchange.traceId,
      requestBytes: body.length,
      requestSha256: capture.digest(),
    },
    capture.pending,
    () => deps.recorder.accepted(variant.series),
  );
  exchange.begun = true;
}

/**
 * Ends an exchange, exactly once: later calls do nothing. `deliver(true)` sends the end of the answer after the record has
 * reached the operating system; `deliver(false)` says that the record is lost, so that the answer must not end well.
 */
export function record(deps: FlowDeps, exchange: Exchange, ending: Ending, deliver: (recorded: boolean) => void): void {
  if (exchange.ended) return;
  exchange.ended = true;
  // Whatever fails in here is our defect, and must not leave the caller waiting.
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (defect) {
      deps.onDefect(defect);
      exchange.outgoing.destroy();
    }
  };
  guarded(() => {
    const totalNs = deps.clock.nowNs() - exchange.startNs;
    const series =
      exchange.assignment?.variant.series ??
      exchange.group?.series ??
      exchange.organization?.series ??
      ANONYMOUS_SERIES;
    const usage: Usage | null = ending.facts?.usage ?? null;
    deps.recorder.finished(series, ending.status, ending.error, totalNs, ending.firstTokenNs, usage);
    if (!exchange.begun) return deliver(true);
    deps.spool.end(exchange.id, endRecord(exchange, ending, totalNs), ending.capture?.pending ?? null, (kept) => {
      deps.recorder.recorded(series, kept);
      guarded(() => deliver(kept));
    });
  });
}

function endRecord(exchange: Exchange, ending: Ending, totalNs: number): EndRecord {
  const last: AttemptRecord | undefined = exchange.attempts.at(-1);
  const served = ending.outcome !== 'failed' && last?.status !== undefined && last.status !== null;
  const usage = ending.facts?.usage;
  return {
    status: ending.status,
    outcome: ending.outcome,
    errorCode: ending.error,
    endReason: ending.endReason,
    servedVariant: served ? exchange.assignment!.variant.variant.model.name : null,
    servedReason: served ? 'assigned' : 'none',
    finishReason: ending.facts?.finishReason ?? null,
    attempts: exchange.attempts,
    inputTokens: usage?.inputTokens ?? null,
    outputTokens: usage?.outputTokens ?? null,
    cachedTokens: usage?.cachedTokens ?? null,
    reasoningTokens: usage?.reasoningTokens ?? null,
    queueNs: (exchange.dispatchNs ?? exchange.startNs) - exchange.startNs,
    connectNs: last?.connectNs ?? null,
    firstByteNs: ending.firstByteNs,
    firstTokenNs: ending.firstTokenNs,
    totalNs,
    responseBytes: ending.capture?.bytes ?? 0,
    responseSha256: ending.capture?.digest() ?? null,
    responseType: ending.responseType,
  };
}
