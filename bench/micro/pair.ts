/** One operation of ours and the naive way to do the same. */
export interface Pair {
  readonly name: string;
  /** Bytes that one operation goes through, where the cost depends on them. */
  readonly bytes?: number;
  readonly ours: () => unknown;
  readonly naive: () => unknown;
  readonly naiveName: string;
}

export interface PairResult {
  readonly name: string;
  readonly naiveName: string;
  readonly oursNs: number;
  readonly naiveNs: number;
  /** How many times ours fits into the naive one. */
  readonly ratio: number;
  /** Null where bytes do not matter. */
  readonly perByte: {
    readonly bytes: number;
    readonly oursNsPerKb: number;
    readonly naiveNsPerKb: number;
    readonly oursMbPerS: number;
    readonly naiveMbPerS: number;
  } | null;
}

const CALLS_AT_ONCE = 10;

export interface Rounds {
  readonly rounds: number;
  /** Length of one round of one side. */
  readonly roundMs: number;
}

/**
 * Nanoseconds of this thread's CPU time per call of both sides, medians over rounds that alternate, so that drift hits
 * both. CPU time and not time on the clock: what else runs on the machine must not count.
 */
export function measurePair(pair: Pair, { rounds, roundMs }: Rounds): PairResult {
  const ours: number[] = [];
  const naive: number[] = [];
  oneRound(pair.ours, roundMs);
  oneRound(pair.naive, roundMs);
  for (let round = 0; round < rounds; round++) {
    ours.push(oneRound(pair.ours, roundMs));
    naive.push(oneRound(pair.naive, roundMs));
  }
  return summarize(pair, medianOf(ours), medianOf(naive));
}

/** Kilobytes and megabytes are decimal. */
export function summarize(
  { name, naiveName, bytes }: Pick<Pair, 'name' | 'naiveName' | 'bytes'>,
  oursNs: number,
  naiveNs: number,
): PairResult {
  const ratio = naiveNs / oursNs;
  if (bytes === undefined) return { name, naiveName, oursNs, naiveNs, ratio, perByte: null };
  const perByte = {
    bytes,
    oursNsPerKb: oursNs / (bytes / 1e3),
    naiveNsPerKb: naiveNs / (bytes / 1e3),
    oursMbPerS: (bytes / oursNs) * 1e3,
    naiveMbPerS: (bytes / naiveNs) * 1e3,
  };
  return { name, naiveName, oursNs, naiveNs, ratio, perByte };
}

/** Nanoseconds per call. */
function oneRound(work: () => unknown, roundMs: number): number {
  const before = process.threadCpuUsage();
  const start = performance.now();
  let calls = 0;
  do {
    for (let i = 0; i < CALLS_AT_ONCE; i++) work();
    calls += CALLS_AT_ONCE;
  } while (performance.now() - start < roundMs);
  const { user, system } = process.threadCpuUsage(before);
  return ((user + system) * 1e3) / calls;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
