import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { fastGuard } from '#core/experiments/fast-guard.ts';
import { createRandom } from '#simulator/random.ts';
import { findingsOf, type Gate, type GateOptions, medianOf, quantile } from './gate.ts';
import { createTally } from './tally.ts';

const REQUESTS_PER_SECOND = 100;
const BASE_RATE = 0.01;
const GUARD = { alpha: experimentDefinitionSchema.parse({}).fastGuard!.alpha, challengers: 1 };

/** The engine asks the fast guard once a second. */
const LONGEST_SECONDS = 300;

interface Slices {
  readonly name: string;
  /** Of all requests: the champion's slice and the challenger's. */
  readonly share: number;
  /** Null: each request its own unit. */
  readonly users: number | null;
}

const SLICES: readonly Slices[] = [
  { name: '50 % and 50 %', share: 0.5, users: null },
  { name: '5 % and 5 %', share: 0.05, users: null },
  { name: '50 % and 50 %, 2 000 users', share: 0.5, users: 2_000 },
];

/** From errors of the challenger to the second in which the fast guard fires. */
export const rollback: Gate = {
  name: 'rollback',
  about: `Fast guard, ${REQUESTS_PER_SECOND} requests a second, ${BASE_RATE * 100} % of the champion's fail, looked at each second`,
  run(options) {
    const { add, findings } = findingsOf('rollback');
    for (const slices of SLICES) {
      const falsely = secondsToFire(slices, 1, options);
      add(`${slices.name}, equal: false rollbacks in ${LONGEST_SECONDS} s`, 'share', falsely.length / options.runs, {
        atMost: GUARD.alpha,
      });
      for (const times of [2, 5, 20, 100]) {
        const seconds = secondsToFire(slices, times, options);
        const median = medianOf(seconds, options.runs);
        add(
          `${slices.name}, ${times} × errors: median`,
          'seconds',
          median,
          times >= 20 && slices.share === 0.5 ? { atMost: 10 } : {},
        );
        add(`${slices.name}, ${times} × errors: median`, 'requests', median * REQUESTS_PER_SECOND);
        add(
          `${slices.name}, ${times} × errors: slowest tenth`,
          'seconds',
          quantile(padded(seconds, options.runs), 0.9),
        );
      }
    }
    return findings;
  },
};

function padded(seconds: readonly number[], runs: number): number[] {
  return [...seconds, ...Array<number>(runs - seconds.length).fill(Number.POSITIVE_INFINITY)];
}

/** Of each run in which it fires: after how many seconds. */
function secondsToFire({ name, share, users }: Slices, times: number, { runs, seed }: GateOptions): number[] {
  const capacity = users ?? LONGEST_SECONDS * REQUESTS_PER_SECOND;
  const tallies = [createTally(capacity), createTally(capacity)];
  const rates = [BASE_RATE, BASE_RATE * times];
  const seconds: number[] = [];
  for (let run = 0; run < runs; run++) {
    const random = createRandom(`${seed}/rollback/${name}/${times}/${run}`);
    for (const tally of tallies) tally.clear();
    let next = 0;
    for (let second = 1; second <= LONGEST_SECONDS; second++) {
      for (let request = 0; request < REQUESTS_PER_SECOND; request++) {
        const user = users === null ? next++ : Math.floor(random() * users);
        // Users are split by parity; requests that are their own unit by chance.
        const at = users === null ? random() : (user % 2) * share;
        if (at >= 2 * share) continue;
        const arm = at < share ? 0 : 1;
        tallies[arm]!.add(user, random() < rates[arm]! ? 1 : 0);
      }
      if (fires(tallies)) {
        seconds.push(second);
        break;
      }
    }
  }
  return seconds;
}

function fires(tallies: readonly ReturnType<typeof createTally>[]): boolean {
  const sums = tallies.map((tally) => tally.sums());
  const phase = {
    phase: 1,
    weightsBp: [1, 1],
    units: sums.map(({ units }) => units),
    failingUnits: tallies.map((tally) => tally.eventUnits()),
    requests: sums.map(({ n }) => n),
    failures: sums.map(({ sum }) => sum),
  };
  return fastGuard([phase], 1, GUARD).fired;
}
