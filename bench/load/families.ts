import type { RowFamily } from './row.ts';
import { change } from './rows/change.ts';
import { latency } from './rows/latency.ts';
import { logging } from './rows/logging.ts';
import { overload } from './rows/overload.ts';
import { scaling } from './rows/scaling.ts';
import { shipping } from './rows/shipping.ts';
import { start } from './rows/start.ts';
import { streams } from './rows/streams.ts';
import { sustained } from './rows/sustained.ts';
import { longPrompts, smallChats } from './rows/throughput.ts';
import { translation } from './rows/translation.ts';

/** What a family is expected to take, for the estimate of progress. */
export interface Listed {
  readonly family: RowFamily;
  /** Takes a minute even then: a quick run leaves it out, unless it is asked for. */
  readonly notInQuick?: true;
  expectedS(run: RunSize): number;
}

export interface RunSize {
  readonly rounds: number;
  readonly seconds: number;
  /** Ringside and the peers that run. */
  readonly gateways: number;
  readonly quick: boolean;
}

/** A run of a tool ends a little later than what it measures. */
const OVERHEAD_S = 0.4;
/** Behind each turn of ours the shipper catches up. */
const SETTLING_S = 3;
const LATENCY_RUN_S = 3;
const inTurns = (sides: number, { rounds, seconds }: Pick<RunSize, 'rounds' | 'seconds'>) =>
  sides * (rounds * (seconds + OVERHEAD_S) + Math.min(2, seconds) + OVERHEAD_S) + (rounds + 1) * SETTLING_S;

/** In the order of the table. */
export const FAMILIES: readonly Listed[] = [
  { family: smallChats, expectedS: (run) => 2 * inTurns(run.gateways, run) },
  {
    family: latency,
    expectedS: (run) =>
      inTurns(run.gateways + 11, { rounds: run.rounds, seconds: Math.min(run.seconds, LATENCY_RUN_S) }),
  },
  { family: longPrompts, expectedS: (run) => 2 * inTurns(run.gateways, run) },
  {
    family: streams,
    notInQuick: true,
    // Start of every gateway, three kinds of load.
    expectedS: (run) => (run.quick ? 20 : 60) + 10 * run.gateways + 2 * inTurns(run.gateways + 1, run),
  },
  { family: translation, expectedS: (run) => inTurns(4, run) + 25 },
  { family: shipping, expectedS: ({ quick }) => (quick ? 30 : 200) },
  { family: scaling, notInQuick: true, expectedS: (run) => inTurns(7, run) + 40 },
  { family: start, expectedS: ({ quick }) => (quick ? 20 : 35) },
  { family: overload, expectedS: ({ rounds, seconds }) => (rounds + 1) * (2 * seconds + 4) },
  { family: change, expectedS: ({ quick }) => (quick ? 20 : 60) },
  { family: logging, expectedS: (run) => inTurns(4, run) + 15 },
  { family: sustained, notInQuick: true, expectedS: ({ quick }) => (quick ? 20 : 75) },
];
