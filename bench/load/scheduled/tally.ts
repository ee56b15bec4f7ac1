import { createHistogram } from './histogram.ts';
import { dueAtMs, type Pace, totalOf } from './plan.ts';

/** Latencies are those of 2xx answers from the moment the request should have been sent, and the age of what was never answered. */
export interface ScheduledResult {
  /** Requests that were due within the run. */
  readonly scheduled: number;
  readonly sent: number;
  /** 2xx, also after the end of the run. */
  readonly answered: number;
  /** 2xx within the run, per second. */
  readonly answeredPerS: number;
  /** 429 and 503. */
  readonly refused: number;
  /** Other answers, broken connections. */
  readonly failed: number;
  /** Neither answered nor refused nor failed when the grace was over, sent or not. */
  readonly unanswered: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** How late the generator itself was with requests for which a connection was free. */
  readonly latenessP99Ms: number;
}

/** Counts what becomes of the requests of one run. All moments are milliseconds since the start of its clock. */
export interface Tally {
  readonly total: number;
  readonly settled: number;
  /** The generator sent it when its clock said so, not when a connection became free. */
  sentByClock(index: number, atMs: number): void;
  /** `status` null: there was no answer that can be read. */
  settle(index: number, status: number | null, atMs: number): void;
  /** @param underWay indices of requests that were sent and not settled; `sent`: those below it were sent */
  finish(sent: number, underWay: readonly number[], atMs: number): ScheduledResult;
}

export function createTally(pace: Pace, seconds: number): Tally {
  const total = totalOf(pace, seconds);
  const latency = createHistogram();
  const lateness = createHistogram();
  let [answered, inTime, refused, failed] = [0, 0, 0, 0];
  return {
    total,
    get settled() {
      return answered + refused + failed;
    },
    sentByClock: (index, atMs) => lateness.add(atMs - dueAtMs(pace, index)),
    settle(index, status, atMs) {
      if (status !== null && status < 300) {
        answered++;
        if (atMs <= seconds * 1000) inTime++;
        latency.add(atMs - dueAtMs(pace, index));
      } else if (status === 429 || status === 503) refused++;
      else failed++;
    },
    finish(sent, underWay, atMs) {
      for (const index of underWay) latency.add(atMs - dueAtMs(pace, index));
      for (let index = sent; index < total; index++) latency.add(atMs - dueAtMs(pace, index));
      return {
        ...{ scheduled: total, sent, answered, answeredPerS: inTime / seconds, refused, failed },
        unanswered: total - answered - refused - failed,
        p50Ms: latency.percentileMs(0.5),
        p90Ms: latency.percentileMs(0.9),
        p99Ms: latency.percentileMs(0.99),
        p999Ms: latency.percentileMs(0.999),
        maxMs: latency.maxMs,
        latenessP99Ms: lateness.percentileMs(0.99),
      };
    },
  };
}
