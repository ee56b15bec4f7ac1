import { drawNormal, type Random } from '#simulator/random.ts';

/** Simulated traffic: which unit each request comes from, which arm each unit is in, and what each request measures. */
export interface Traffic {
  /** Most units that a run can have. */
  readonly capacity: number;
  /** The unit of each request, in the order in which they arrive. */
  requests(random: Random): Int32Array;
  /** True share of the units in each arm; they sum to 1. */
  readonly shares: readonly number[];
  /** What is constant about a unit, drawn once. */
  trait(random: Random): number;
  /** What one request measures. */
  value(random: Random, trait: number, arm: number): number;
}

/** Every request a unit of its own. */
export function newUnits(requests: number): (random: Random) => Int32Array {
  const units = Int32Array.from({ length: requests }, (_, index) => index);
  return () => units;
}

/** Heavy users: ⌈exp(N(1, 1))⌉ requests each (a mean near 5, the busiest in hundreds), in random order. */
export function heavyUsers(users: number): (random: Random) => Int32Array {
  return (random) => {
    const counts = Int32Array.from({ length: users }, () => Math.ceil(Math.exp(1 + drawNormal(random))));
    const requests = new Int32Array(counts.reduce((total, count) => total + count, 0));
    let at = 0;
    counts.forEach((count, user) => {
      requests.fill(user, at, at + count);
      at += count;
    });
    return shuffled(requests, random);
  };
}

/** Fisher–Yates, in place. */
function shuffled(values: Int32Array, random: Random): Int32Array {
  for (let last = values.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const value = values[last]!;
    values[last] = values[other]!;
    values[other] = value;
  }
  return values;
}

/** An exponential draw with mean 1: skewed, as latencies and costs are. */
export function drawExponential(random: Random): number {
  return -Math.log(1 - random());
}

/** The arm that a uniform draw falls into. */
export function drawArm(random: Random, shares: readonly number[]): number {
  let rest = random();
  for (let arm = 0; arm < shares.length - 1; arm++) {
    rest -= shares[arm]!;
    if (rest < 0) return arm;
  }
  return shares.length - 1;
}
