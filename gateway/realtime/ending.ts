import { RingsideError } from '#core/errors.ts';
import type { EndRecord } from '#inference-log/record.ts';
import { scrub } from '#translation/wires/scrub.ts';
import type { Peer, SessionEnd } from './relay.ts';

/** A close frame; `code` null: one without a code. */
export interface CloseFrame {
  readonly code: number | null;
  readonly reason: string;
}

/** What the end of a session means: for the log, and for the two who spoke. */
export interface SessionEnding {
  readonly outcome: EndRecord['outcome'];
  readonly endReason: EndRecord['endReason'];
  readonly error: RingsideError | null;
  readonly toCaller: CloseFrame;
  readonly toUpstream: CloseFrame;
}

/** RFC 6455, section 7.4.1: normal, going away, and a close frame without a code. Sessions end so that end well. */
const GOOD: ReadonlySet<number> = new Set([1000, 1001, 1005]);
const LOST = 1006;
/** A frame holds 123 bytes of reason. */
const MAX_REASON_CHARS = 120;
const GOODBYE: CloseFrame = { code: 1000, reason: '' };

/** @param secrets texts that a reason of the upstream's must not carry to the caller */
export function sessionEnding(end: SessionEnd, provider: string, secrets: readonly string[]): SessionEnding {
  switch (end.kind) {
    case 'closed':
      return end.by === 'caller' ? callerClosed(end.code) : upstreamClosed(end, provider, secrets);
    case 'broken':
      return end.by === 'caller' ? callerBroke(end.code) : upstreamFailed(brokenUpstream(provider), end.code);
    case 'silent':
      return silent(end.by, provider);
    case 'idle':
      return ended('completed', null, { code: 1001, reason: 'Nothing was said for too long.' });
    case 'overlong':
      return ended('completed', null, { code: 1001, reason: 'The session has reached its longest duration.' });
    case 'stopped': {
      const error = new RingsideError('interrupted', 'The gateway stops.');
      return ended('failed', error, { code: 1001, reason: 'The gateway stops; connect again.' });
    }
    default:
      return end satisfies never;
  }
}

/** A caller ends its session by closing it; what code it gives is its business. Only a lost connection is no end. */
function callerClosed(code: number): SessionEnding {
  if (code === LOST) {
    const error = new RingsideError('client_closed', 'The caller closed the connection.');
    return { ...ended('client_closed', error, GOODBYE), endReason: `close_${code}` };
  }
  return { ...ended('completed', null, GOODBYE), endReason: `close_${code}` };
}

function upstreamClosed(
  { code, reason }: { readonly code: number; readonly reason: string },
  provider: string,
  secrets: readonly string[],
): SessionEnding {
  if (code === LOST) {
    const message = `The provider "${provider}" closed the connection in the middle of the session.`;
    return upstreamFailed(new RingsideError('upstream_unreachable', message), code);
  }
  const toCaller = { code: code === 1005 ? null : code, reason: shorten(scrub(reason, secrets)) };
  if (GOOD.has(code)) return { ...ended('completed', null, toCaller), endReason: `close_${code}` };
  const error = new RingsideError('upstream_error', `The provider "${provider}" ended the session with code ${code}.`);
  return { ...ended('failed', error, toCaller), endReason: `close_${code}` };
}

/** The library has sent the frame that says so. */
function callerBroke(code: number): SessionEnding {
  const error =
    code === 1009
      ? new RingsideError('body_too_large', 'A message of the session is too large.')
      : new RingsideError('bad_request', 'The session has frames that are not valid.');
  return { ...ended('failed', error, { code, reason: '' }), toUpstream: GOODBYE };
}

function silent(by: Peer, provider: string): SessionEnding {
  if (by === 'upstream') {
    const message = `The provider "${provider}" stopped answering in the middle of the session.`;
    return upstreamFailed(new RingsideError('upstream_timeout', message), LOST);
  }
  const error = new RingsideError('client_closed', 'The caller neither reads nor answers.');
  return { ...ended('client_closed', error, { code: 1001, reason: '' }), endReason: `close_${LOST}` };
}

function brokenUpstream(provider: string): RingsideError {
  return new RingsideError('upstream_protocol', `The provider "${provider}" sent frames that cannot be passed on.`);
}

/** 1011: the server met with something unexpected. */
function upstreamFailed(error: RingsideError, code: number): SessionEnding {
  return { ...ended('failed', error, { code: 1011, reason: shorten(error.message) }), endReason: `close_${code}` };
}

/** One frame for both sides, and for the log. */
function ended(outcome: EndRecord['outcome'], error: RingsideError | null, frame: CloseFrame): SessionEnding {
  return { outcome, endReason: `close_${frame.code ?? 1005}`, error, toCaller: frame, toUpstream: GOODBYE };
}

/** Of a reason, what fits into a frame however many bytes its characters have. */
function shorten(reason: string): string {
  let text = reason.slice(0, MAX_REASON_CHARS);
  while (Buffer.byteLength(text) > MAX_REASON_CHARS) text = text.slice(0, -1);
  return text.toWellFormed();
}
