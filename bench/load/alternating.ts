import { threadCpuS } from './cpu-time.ts';
import type { Field } from './row.ts';
import { median } from './statistics.ts';
import { runWrk, type WrkResult, type WrkRun } from './wrk.ts';

/** One of the sides that take turns. */
export interface Side {
  readonly name: string;
  readonly pid: number;
  /** Names of the threads whose CPU time counts. */
  readonly threads: RegExp;
  readonly run: Pick<WrkRun, 'url' | 'headers' | 'body' | 'connections'> & Partial<Pick<WrkRun, 'lua'>>;
}

export interface Measured extends WrkResult {
  /** Answers per second of CPU time that the serving threads took: far steadier than the rate when cores are shared. */
  readonly requestsPerCpuS: number;
}

/** The threads that serve requests in a gateway process. */
export const SERVING_THREADS = /^gateway-\d+$/;
const WARM_UP_S = 3;

/** Measures every side once a round, so that drift meets all of them, after a round that warms up and is not kept. */
export async function alternate(
  field: Field,
  row: string,
  sides: readonly Side[],
): Promise<ReadonlyMap<string, readonly Measured[]>> {
  const results = new Map<string, Measured[]>(sides.map(({ name }) => [name, []]));
  for (let round = 0; round <= field.rounds; round++) {
    for (const { name, pid, threads, run } of sides) {
      const before = threadCpuS(pid, threads);
      const seconds = round === 0 ? warmUpS(sides, pid) : field.seconds;
      const result = await runWrk({ ...run, seconds, core: field.otherCore, scratch: field.scratch });
      if (round === 0) continue;
      const requestsPerCpuS = result.requests / (threadCpuS(pid, threads) - before);
      results.get(name)!.push({ ...result, requestsPerCpuS });
      if (result.failures > 0) field.note(`${row} round ${round}: ${name} had ${result.failures} failed requests`);
      field.say(
        `${row} ${round}/${field.rounds} ${name.padEnd(28)} ${result.requestsPerS.toFixed(0).padStart(7)} req/s  ${(1e6 / requestsPerCpuS).toFixed(1)} µs of CPU per request`,
      );
    }
  }
  return results;
}

/** A process with one side among others with two is warmed up for twice as long, so that all start equal. */
function warmUpS(sides: readonly Side[], pid: number): number {
  const sidesOf = (wanted: number) => sides.filter((side) => side.pid === wanted).length;
  return Math.ceil((WARM_UP_S * Math.max(...sides.map((side) => sidesOf(side.pid)))) / sidesOf(pid));
}

/** The two figures by which sides are compared. */
export type Figure = 'requestsPerS' | 'requestsPerCpuS';

export interface Comparison {
  /** Medians over the rounds. */
  readonly ours: number;
  readonly theirs: number;
  /** Ours / theirs of each round: its median, and the smallest and largest. */
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
}

/** Compares two sides round by round. */
export function compare(ours: readonly Measured[], theirs: readonly Measured[], figure: Figure): Comparison {
  const ratios = ours.map((measured, round) => measured[figure] / theirs[round]![figure]);
  return {
    ours: median(ours.map((measured) => measured[figure])),
    theirs: median(theirs.map((measured) => measured[figure])),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
  };
}

/** "0.97 to 1.02 × over 5 rounds" */
export function spreadOf({ lowest, highest }: Comparison, rounds: number): string {
  return `${lowest.toFixed(2)} to ${highest.toFixed(2)} × over ${rounds} rounds`;
}
