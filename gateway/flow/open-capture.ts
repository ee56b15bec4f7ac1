import { missingFacts, type SideFacts } from '#core/capture-facts.ts';
import { isSampled } from '#core/sampling.ts';
import type { CompiledGroup } from '#core/snapshot/compile.ts';
import type { Capture as CapturePolicy } from '#core/snapshot/log-policy.ts';
import { type BodyCapture, Capture } from './capture.ts';
import type { CallExchange } from './ports.ts';
import { RedactedBody, RedactedStream, UnreadableBody } from './redacted-capture.ts';

const CAPTURE_OFF = missingFacts('capture_off');
const NOT_SAMPLED = missingFacts('not_sampled');
const BINARY = missingFacts('binary');

/** Opens the capture of one side by the group's policy. `spill` takes pieces of a stream that is kept as it comes. */
export function openCapture(exchange: CallExchange, spill: ((piece: Buffer) => void) | null): BodyCapture {
  const { capture, redactor } = groupOf(exchange);
  const leftOut = leftOutBy(capture, drawnBy(exchange));
  if (leftOut === null && redactor !== null) return new RedactedBody(redactor, capture.maxBytes);
  return new Capture(leftOut, capture.maxBytes, spill);
}

/** The same for a side that is no text: it is counted. Where redaction is on, nobody can say what is in it. */
export function openBinaryCapture(exchange: CallExchange): BodyCapture {
  const { capture, redactor } = groupOf(exchange);
  const leftOut = leftOutBy(capture, drawnBy(exchange));
  if (leftOut === null && redactor !== null) return new UnreadableBody();
  return new Capture(leftOut ?? BINARY, capture.maxBytes, null);
}

/** The same for a side of a session: most of it is sound, so that it is counted, whatever the group does with texts. */
export function openSessionCapture(exchange: CallExchange): BodyCapture {
  const { capture } = groupOf(exchange);
  return new Capture(leftOutBy(capture, exchange.id) ?? BINARY, capture.maxBytes, null);
}

/** What captures an answer with this head, before anything is added: it makes a difference where redaction is on, or the answer no text. */
export function captureFor(
  opened: BodyCapture,
  exchange: CallExchange,
  contentType: string,
  isStream: boolean,
  isEncoded: boolean,
): BodyCapture {
  if (exchange.ingress.hasBinaryAnswers && !isText(contentType)) return openBinaryCapture(exchange);
  if (!(opened instanceof RedactedBody)) return opened;
  if (isEncoded || !isUtf8(contentType)) return new UnreadableBody();
  const { capture, redactor } = groupOf(exchange);
  const { openReassembler } = exchange.ingress;
  return isStream && openReassembler !== null
    ? new RedactedStream(redactor!, capture.maxBytes, openReassembler)
    : opened;
}

/** The inference whose id decides: a pair is kept on both sides or on none. */
function drawnBy({ mirror, id }: CallExchange): string {
  return mirror === null ? id : mirror.shadowOf;
}

/** The facts of bodies that the policy does not keep; null where it does. */
function leftOutBy({ mode, sampleBp }: CapturePolicy, inferenceId: string): SideFacts | null {
  if (mode === 'none') return CAPTURE_OFF;
  return mode === 'full' || isSampled(inferenceId, sampleBp) ? null : NOT_SAMPLED;
}

function isText(contentType: string): boolean {
  return /^\s*(?:text\/|application\/(?:[a-z0-9.+-]*json|xml|x-subrip|x-ndjson)\s*(?:;|$))/i.test(contentType);
}

function isUtf8(contentType: string): boolean {
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType)?.[1];
  return charset === undefined || /^(?:utf-?8|us-ascii)$/i.test(charset);
}

function groupOf(exchange: CallExchange): CompiledGroup {
  return exchange.assignment!.group.group;
}
