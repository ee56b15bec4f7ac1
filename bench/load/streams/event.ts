/**
 * What streamer and client agree on: how a prompt asks for a pace, and events that carry their number and the time of
 * their sending. All numbers have a fixed width, so that an event's length is known beforehand.
 */
export type Pace =
  | { readonly kind: 'paced'; readonly tokens: number; readonly gapMs: number; readonly firstMs: number }
  | { readonly kind: 'burst'; readonly tokens: number };

/** The pace travels in the prompt: it is the one part of a request that every gateway passes on as it is. */
export function writePace(pace: Pace): string {
  return pace.kind === 'burst'
    ? `burst(${pace.tokens})`
    : `pace(${pace.tokens},${pace.gapMs},${pace.firstMs}) with a few more words, as prompts have them.`;
}

/** Reads the pace out of a request body; null when there is none. */
export function readPace(body: string): Pace | null {
  const match = /pace\((\d+),(\d+),(\d+)\)|burst\((\d+)\)/.exec(body);
  if (match === null) return null;
  const [, tokens, gapMs, firstMs, burst] = match;
  return burst === undefined
    ? { kind: 'paced', tokens: Number(tokens), gapMs: Number(gapMs), firstMs: Number(firstMs) }
    : { kind: 'burst', tokens: Number(burst) };
}

/** Nanoseconds of the monotonic clock, which all processes of a machine share; exact as a number for 104 days of uptime. */
export function monotonicNs(): number {
  return Number(process.hrtime.bigint());
}

const SEQUENCE_DIGITS = 6;
const TIME_DIGITS = 17;
const HEAD =
  'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench","choices":';
const DELTA = `${HEAD}[{"index":0,"delta":`;
/** Before a token's figures: number, time of sending, time of the request's arrival. */
const MARK = '"@';
const FIGURES_AT = DELTA.length + '{"content":"@'.length;
const SENT_AT = SEQUENCE_DIGITS + 1;
const ARRIVED_AT = SENT_AT + TIME_DIGITS + 1;

const time = (ns: number) => String(ns).padStart(TIME_DIGITS, '0');

/** The first event: the role, without a token. */
export const ROLE_EVENT = `${DELTA}{"role":"assistant","content":""},"finish_reason":null}]}\n\n`;

/** One token. `sequence` counts from 1; `arrivedNs`: when the streamer had the request. */
export function tokenEvent(sequence: number, sentNs: number, arrivedNs: number): string {
  const number = String(sequence).padStart(SEQUENCE_DIGITS, '0');
  return `${DELTA}{"content":"@${number}:${time(sentNs)}:${time(arrivedNs)}@"},"finish_reason":null}]}\n\n`;
}

/** The end of a stream: finish reason, the usage when it was asked for, `[DONE]`. */
export function lastEvents(tokens: number, withUsage: boolean): string {
  const usage = `${HEAD}[],"usage":{"prompt_tokens":12,"completion_tokens":${tokens},"total_tokens":${tokens + 12}}}\n\n`;
  return `${DELTA}{},"finish_reason":"stop"}]}\n\n${withUsage ? usage : ''}data: [DONE]\n\n`;
}

/** A whole answer in one piece; always the same bytes: what is measured with it is how fast they pass. */
export function burstText(tokens: number, withUsage: boolean): string {
  const events = Array.from({ length: tokens }, (_, index) => tokenEvent(index + 1, 0, 0));
  return `${ROLE_EVENT}${events.join('')}${lastEvents(tokens, withUsage)}`;
}

/** What a request without a stream gets. */
export const PLAIN_ANSWER =
  '{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"ready"},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":13}}';

/** One event as the client reads it. */
export type ReadEvent =
  | { readonly kind: 'token'; readonly sequence: number; readonly sentNs: number; readonly arrivedNs: number }
  | { readonly kind: 'error' | 'done' | 'other' };

const OTHER: ReadEvent = { kind: 'other' };
const DONE: ReadEvent = { kind: 'done' };
const ERROR: ReadEvent = { kind: 'error' };

/** Reads the event that lies between `from` and `to` of `text`. */
export function readEvent(text: string, from: number, to: number): ReadEvent {
  // hot: an event whose bytes have not been changed has its figures in the same place.
  let at = from + FIGURES_AT;
  if (!text.startsWith(MARK, at - MARK.length)) {
    // A gateway that writes events anew may have moved them.
    const event = text.slice(from, to);
    const mark = event.indexOf(MARK);
    if (mark === -1) return event.includes('[DONE]') ? DONE : event.includes('"error"') ? ERROR : OTHER;
    at = from + mark + MARK.length;
  }
  const number = (offset: number, digits: number) => Number(text.slice(at + offset, at + offset + digits));
  return {
    kind: 'token',
    sequence: number(0, SEQUENCE_DIGITS),
    sentNs: number(SENT_AT, TIME_DIGITS),
    arrivedNs: number(ARRIVED_AT, TIME_DIGITS),
  };
}
