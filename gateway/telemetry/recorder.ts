import { ERROR_CODE_LIST, type ErrorCode } from '#core/errors.ts';
import { LOSS_REASONS, type SpoolAccounts } from '#inference-log/spool-terms.ts';
import { BUCKET_BOUNDS_S, CELL, GAUGE, MIRROR_OUTCOMES, type MirrorOutcome, seriesOffset } from './layout.ts';

/** Token counts as an upstream reported them; null is "not said". */
export interface Usage {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedTokens: number | null;
  readonly reasoningTokens: number | null;
}

export type FeedbackOutcome = 'accepted' | 'refused' | 'limited';

const FEEDBACK_CELLS: Readonly<Record<FeedbackOutcome, number>> = {
  accepted: GAUGE.FEEDBACK_ACCEPTED,
  refused: GAUGE.FEEDBACK_REFUSED,
  limited: GAUGE.FEEDBACK_LIMITED,
};

/** A worker's side of the metrics. Series numbers come from the main thread with each snapshot; they are the spool's accounts. */
export interface Recorder extends SpoolAccounts {
  inFlight(change: 1 | -1): void;
  finished(
    series: number,
    status: number,
    error: ErrorCode | null,
    totalNs: number,
    firstTokenNs: number | null,
    usage: Usage | null,
  ): void;
  /** What became of a mirrored call; its series is the shadow's. */
  mirrored(series: number, outcome: MirrorOutcome): void;
  gauge(index: number, value: number): void;
  /** So many reports of feedback were taken, refused, or too many from their key. */
  feedback(outcome: FeedbackOutcome, count: number): void;
}

const ERROR_INDEX = new Map(ERROR_CODE_LIST.map((code, index) => [code, index]));
const MIRROR_INDEX = new Map(MIRROR_OUTCOMES.map((outcome, index) => [outcome, index]));
const LOSS_INDEX = new Map(LOSS_REASONS.map((reason, index) => [reason, index]));

export function createRecorder(cells: Float64Array): Recorder {
  const add = (at: number, amount: number) => {
    cells[at] = cells[at]! + amount;
  };
  const observe = (histogram: number, ns: number) => {
    const seconds = ns / 1e9;
    let bucket = 0;
    while (bucket < BUCKET_BOUNDS_S.length && seconds > BUCKET_BOUNDS_S[bucket]!) bucket++;
    add(histogram + bucket, 1);
    add(histogram + BUCKET_BOUNDS_S.length + 1, seconds);
  };
  return {
    inFlight: (change) => add(GAUGE.IN_FLIGHT, change),
    accepted: (series) => add(seriesOffset(series) + CELL.ACCEPTED, 1),
    recorded: (series) => add(seriesOffset(series) + CELL.RECORDED, 1),
    unrecorded: (series) => add(seriesOffset(series) + CELL.RECORDED, -1),
    dropped: (series, reason) => add(seriesOffset(series) + CELL.DROPPED + LOSS_INDEX.get(reason)!, 1),
    withoutPayload: (series) => add(seriesOffset(series) + CELL.WITHOUT_PAYLOAD, 1),
    // hot
    finished(series, status, error, totalNs, firstTokenNs, usage) {
      const base = seriesOffset(series);
      add(base + CELL.REQUESTS + Math.min(Math.max(Math.floor(status / 100) - 2, 0), 3), 1);
      if (error !== null) add(base + CELL.ERRORS + ERROR_INDEX.get(error)!, 1);
      observe(base + CELL.DURATION, totalNs);
      if (firstTokenNs !== null) observe(base + CELL.FIRST_TOKEN, firstTokenNs);
      if (usage !== null) {
        add(base + CELL.TOKENS, usage.inputTokens ?? 0);
        add(base + CELL.TOKENS + 1, usage.outputTokens ?? 0);
        add(base + CELL.TOKENS + 2, usage.cachedTokens ?? 0);
        add(base + CELL.TOKENS + 3, usage.reasoningTokens ?? 0);
      }
    },
    mirrored: (series, outcome) => add(seriesOffset(series) + CELL.MIRRORED + MIRROR_INDEX.get(outcome)!, 1),
    feedback: (outcome, count) => add(FEEDBACK_CELLS[outcome], count),
    gauge(index, value) {
      cells[index] = value;
    },
  };
}
