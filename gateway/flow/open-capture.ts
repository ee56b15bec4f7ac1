import { isSampled } from '#core/sampling.ts';
import type { CompiledGroup } from '#core/snapshot/compile.ts';
import type { Capture as CapturePolicy } from '#core/snapshot/log-policy.ts';
import { type BodyCapture, Capture } from './capture.ts';
import type { Exchange } from './ports.ts';
import { RedactedBody, RedactedStream, UnreadableBody } from './redacted-capture.ts';

/** Opens the capture of one side by the group's policy. `spill` takes pieces of a stream that is kept as it comes. */
export function openCapture(exchange: Exchange, spill: ((piece: Buffer) => void) | null): BodyCapture {
  const { capture, redactor } = groupOf(exchange);
  const isKept = keepsBody(capture, exchange.id);
  if (isKept && redactor !== null) return new RedactedBody(redactor, capture.maxBytes);
  return new Capture(isKept, capture.maxBytes, spill);
}

/** What captures an answer with this head, before anything is added: only where redaction is on it makes a difference. */
export function captureFor(
  opened: BodyCapture,
  exchange: Exchange,
  contentType: string,
  isStream: boolean,
  isEncoded: boolean,
): BodyCapture {
  if (!(opened instanceof RedactedBody)) return opened;
  if (isEncoded || !isUtf8(contentType)) return new UnreadableBody();
  const { capture, redactor } = groupOf(exchange);
  return isStream ? new RedactedStream(redactor!, capture.maxBytes) : opened;
}

function keepsBody({ mode, sampleBp }: CapturePolicy, inferenceId: string): boolean {
  return mode === 'full' || (mode === 'sampled' && isSampled(inferenceId, sampleBp));
}

function isUtf8(contentType: string): boolean {
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType)?.[1];
  return charset === undefined || /^(?:utf-?8|us-ascii)$/i.test(charset);
}

function groupOf(exchange: Exchange): CompiledGroup {
  return exchange.assignment!.group.group;
}
