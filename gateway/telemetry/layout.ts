import { ERROR_CODE_LIST } from '#core/errors.ts';
import { LOSS_REASONS } from '#inference-log/spool-terms.ts';

/**
 * Counters live in one SharedArrayBuffer per worker slot: the worker is the only writer, the main thread reads. A worker
 * that dies leaves its counts behind for its successor in the slot; only what was in flight is zeroed. Recording is a
 * handful of array additions; no label is hashed on the hot path.
 *
 *     gauges (Float64) | series 0 | series 1 | …          a series is one (organization, group, variant)
 */
export const MAX_SERIES = 2_048;
/** Series 0 collects what does not fit any more. */
export const OTHER_SERIES = 0;

export const STATUS_CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const;
export const TOKEN_KINDS = ['input', 'output', 'cached', 'reasoning'] as const;
/** Upper bounds in seconds; the last bucket is +Inf. */
export const BUCKET_BOUNDS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300] as const;
/**
 * What became of the calls that were drawn to be mirrored; the place in the list is the column. `completed` and `failed` were made and have
 * a row; the others were not made: too many at a time, in this minute, tokens today; the event loop busy, or stopping; the shadow's
 * breaker open; no room for the body; no room in the log; a request that is never mirrored.
 */
export const MIRROR_OUTCOMES = [
  'completed',
  'failed',
  'dropped_concurrency',
  'dropped_rate',
  'dropped_budget',
  'dropped_busy',
  'dropped_breaker',
  'dropped_memory',
  'dropped_log',
  'skipped',
] as const;
export type MirrorOutcome = (typeof MIRROR_OUTCOMES)[number];
const HISTOGRAM_CELLS = BUCKET_BOUNDS_S.length + 2; // +Inf and the sum

const REQUESTS = 0;
const ERRORS = REQUESTS + STATUS_CLASSES.length;
const TOKENS = ERRORS + ERROR_CODE_LIST.length;
const ACCEPTED = TOKENS + TOKEN_KINDS.length;
const RECORDED = ACCEPTED + 1;
const DROPPED = RECORDED + 1;
const WITHOUT_PAYLOAD = DROPPED + LOSS_REASONS.length;
const MIRRORED = WITHOUT_PAYLOAD + 1;
const DURATION = MIRRORED + MIRROR_OUTCOMES.length;
const FIRST_TOKEN = DURATION + HISTOGRAM_CELLS;

/** Offsets inside a series. */
export const CELL = {
  ...{ REQUESTS, ERRORS, TOKENS, ACCEPTED, RECORDED, DROPPED, WITHOUT_PAYLOAD, MIRRORED, DURATION, FIRST_TOKEN },
} as const;
export const SERIES_CELLS = FIRST_TOKEN + HISTOGRAM_CELLS;

/** Offsets of a worker's gauges. */
export const GAUGE = {
  IN_FLIGHT: 0,
  LOOP_LAG_P50_S: 1,
  LOOP_LAG_P99_S: 2,
  LOOP_UTILISATION: 3,
  HEAP_BYTES: 4,
  SNAPSHOT_VERSION: 5,
  CONNECTIONS: 6,
  /** Counters, of no series: reports of feedback. */
  FEEDBACK_ACCEPTED: 8,
  FEEDBACK_REFUSED: 9,
  FEEDBACK_LIMITED: 10,
} as const;
const GAUGE_CELLS = 16;

/** The counters of one worker slot. */
export function allocateCells(): Float64Array {
  return new Float64Array(new SharedArrayBuffer(8 * (GAUGE_CELLS + MAX_SERIES * SERIES_CELLS)));
}

/** The one cell of a worker that says how busy its event loop is, 0 to 1. */
export function utilisationOf(cells: Float64Array): Float64Array {
  return new Float64Array(cells.buffer, GAUGE.LOOP_UTILISATION * Float64Array.BYTES_PER_ELEMENT, 1);
}

/** Offset of a series' first cell. */
export function seriesOffset(series: number): number {
  return GAUGE_CELLS + series * SERIES_CELLS;
}

/** What a series counts. `_none` stands where a request ended before it was known. */
export interface SeriesLabels {
  readonly organization: string;
  readonly group: string;
  readonly variant: string;
}

export function seriesKey({ organization, group, variant }: SeriesLabels): string {
  return `${organization}\0${group}\0${variant}`;
}

export const NONE = '_none';
