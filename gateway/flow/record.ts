import { CUT, interruptedFacts, isMissing, missingFacts, type SideFacts } from '#core/capture-facts.ts';
import { costMicroUsd } from '#core/prices.ts';
import { placeIn } from '#core/snapshot/experiment.ts';
import type { AttemptRecord, EndRecord } from '#inference-log/record.ts';
import type { Usage } from '../telemetry/recorder.ts';
import { ANONYMOUS_SERIES } from '../telemetry/series.ts';
import { type BodyCapture, hashBeside } from './capture.ts';
import { openBinaryCapture, openCapture, openSessionCapture } from './open-capture.ts';
import type { Ending, Exchange, FlowDeps } from './ports.ts';
import { redactEnd, redactMetadata } from './redact-record.ts';

const NO_ANSWER = missingFacts('no_answer');

/** Requests from here on are hashed on another thread, beside the call. */
const HASHED_BESIDE_BYTES = 256 * 1024;

/** Writes the begin frame: from here on the inference is accepted and must end in the log. */
export function recordBegin(deps: FlowDeps, exchange: Exchange, body: Buffer): void {
  const { organization, group, variant, placement, unit, unitSource } = exchange.assignment!;
  const policy = group.group.capture;
  const capture = openRequestCapture(exchange);
  const isHashedBeside = capture.isHashed && body.length > policy.maxBytes && body.length >= HASHED_BESIDE_BYTES;
  if (isHashedBeside) hashRequest(deps, exchange, body);
  capture.add(isHashedBeside ? body.subarray(0, policy.maxBytes) : body);
  const metadata = redactMetadata(group.group, exchange.metadata);
  const { experiment } = group.group;
  // Most groups have none. Sessions never count: how long one lasts is the caller's choice.
  const isCounted = experiment !== null && exchange.operation !== 'realtime';
  deps.spool.begin(
    exchange.id,
    {
      organizationId: organization.id,
      groupId: group.group.id,
      configVersion: organization.version,
      keyId: exchange.key!.id,
      operation: exchange.operation,
      dialect: exchange.ingress.name,
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
      metadata,
      requestFacts: isHashedBeside ? CUT.limit : capture.facts,
      experiment: isCounted ? placeIn(experiment, placement.bucket, exchange.metadata, metadata) : undefined,
    },
    capture.pending,
    variant.terms,
  );
  exchange.begun = true;
}

function openRequestCapture(exchange: Exchange): BodyCapture {
  if (exchange.operation === 'realtime') return openSessionCapture(exchange);
  return exchange.request!.form === undefined ? openCapture(exchange, null) : openBinaryCapture(exchange);
}

function hashRequest(deps: FlowDeps, exchange: Exchange, body: Buffer): void {
  exchange.requestDigest = hashBeside(body).then(
    (digest) => {
      exchange.requestSha256 = digest;
    },
    (defect: unknown) => deps.onDefect(defect), // recorded without it
  );
}

/**
 * Ends an exchange, exactly once: later calls do nothing. `deliver(true)` sends the end of the answer once the record is as
 * durable as its group wants it; `deliver(false)` says that it is lost, so that the answer must not end well.
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
    // Of a session it is the handshake that took the time of a request.
    const waitedNs = ending.session === undefined ? totalNs : (ending.firstByteNs ?? totalNs);
    deps.recorder.finished(series, ending.status, ending.error, waitedNs, ending.firstTokenNs, usage);
    if (!exchange.begun) return deliver(true);
    const end = (requestSha256: string | null) => {
      const frame = redactEnd(exchange.assignment!.group.group, endRecord(exchange, ending, totalNs, requestSha256));
      const body = isMissing(frame.responseFacts!) ? null : (ending.capture?.pending ?? null);
      const { terms } = exchange.assignment!.variant;
      deps.spool.end(exchange.id, frame, body, (mayEnd) => guarded(() => deliver(mayEnd)), terms);
    };
    // It began before the call and is there long before its answer, as a rule. Nobody waits for it where the caller has left.
    const { requestDigest, requestSha256, outgoing } = exchange;
    if (requestDigest === null || requestSha256 !== null || outgoing.destroyed) return end(requestSha256);
    deps.pending.track(requestDigest.then(() => guarded(() => end(exchange.requestSha256))));
  });
}

function endRecord(exchange: Exchange, ending: Ending, totalNs: number, requestSha256: string | null): EndRecord {
  const last: AttemptRecord | undefined = exchange.attempts.at(-1);
  const { session } = ending;
  const served =
    session !== undefined || (ending.outcome !== 'failed' && last?.status !== undefined && last.status !== null);
  const usage = ending.facts?.usage ?? null;
  const { model } = exchange.assignment!.variant.variant;
  const cost = usage === null || model.prices === undefined ? null : costMicroUsd(model.prices, usage);
  return {
    status: ending.status,
    outcome: ending.outcome,
    errorCode: ending.error,
    endReason: ending.endReason,
    servedVariant: served ? model.name : null,
    servedReason: session !== undefined ? 'pinned' : served ? 'assigned' : 'none',
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
    ...(cost === null ? {} : { costMicroUsd: cost }),
    ...(requestSha256 === null ? {} : { requestSha256 }),
    ...(session === undefined ? {} : { requestBytes: session.requestBytes }),
    responseBytes: ending.capture?.bytes ?? 0,
    responseSha256: ending.capture?.digest() ?? null,
    responseType: ending.capture?.keptType ?? ending.responseType,
    responseFacts: responseFacts(ending),
  };
}

function responseFacts(ending: Ending): SideFacts {
  const { capture, isCutOff = false } = ending;
  if (capture === null) return NO_ANSWER;
  return isCutOff || breaksOff(ending) ? interruptedFacts(capture.facts, capture.bytes > 0) : capture.facts;
}

/** An upstream that closes a stream without its terminal event has ended it only if it said why. */
function breaksOff({ endReason, facts }: Ending): boolean {
  return endReason === 'end_of_stream' && (facts?.finishReason ?? null) === null;
}
