import type { AttemptRecord } from '#inference-log/record.ts';
import type { InferenceRow } from '#store/inferences.ts';

/** What the time of an inference went into. */
export const SPAN_NAMES = ['queue', 'connect', 'first_byte', 'first_token', 'stream', 'finish'] as const;

/** One stretch of an inference's time, in ms since it was accepted. Spans follow each other and do not overlap. */
export interface WaterfallSpan {
  readonly name: (typeof SPAN_NAMES)[number];
  /** Index into the attempts; null for what is outside of them. */
  readonly attempt: number | null;
  readonly startMs: number;
  readonly endMs: number;
}

type Timed = Pick<InferenceRow, 'queue_ns' | 'first_token_ns' | 'total_ns'>;

/**
 * The timings of an inference in order: what we did before the call (`queue`), then per attempt until the request was on a
 * connection (`connect`), until the answer's head (`first_byte`), until the first token of a stream (`first_token`), until its
 * end (`stream`), and what was left to do behind the last one (`finish`).
 */
export function waterfallOf(row: Timed, attempts: readonly AttemptRecord[]): WaterfallSpan[] {
  const spans: WaterfallSpan[] = [];
  let atNs = 0;
  const until = (name: WaterfallSpan['name'], attempt: number | null, endNs: number | null) => {
    // Clocks of different threads may disagree by a little: no span ends before it begins.
    if (endNs === null || endNs < atNs) return;
    spans.push({ name, attempt, startMs: ms(atNs), endMs: ms(endNs) });
    atNs = endNs;
  };
  until('queue', null, attempts[0]?.startNs ?? row.queue_ns);
  attempts.forEach((attempt, index) => {
    atNs = Math.max(atNs, attempt.startNs);
    until('connect', index, attempt.connectNs === null ? null : attempt.startNs + attempt.connectNs);
    until('first_byte', index, attempt.firstByteNs);
    // Only the attempt whose answer was passed on had a first token.
    if (index === attempts.length - 1) until('first_token', index, row.first_token_ns);
    until('stream', index, attempt.endNs);
  });
  until('finish', null, row.total_ns);
  return spans;
}

/** Nanoseconds as milliseconds, to the microsecond. */
export function ms<Ns extends number | null>(ns: Ns): Ns {
  return (ns === null ? null : Math.round(ns / 1_000) / 1_000) as Ns;
}
