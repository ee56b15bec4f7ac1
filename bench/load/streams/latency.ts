import { threadCpuS } from '../cpu-time.ts';
import type { Field, Line } from '../row.ts';
import { median } from '../statistics.ts';
import { runClient } from './start.ts';
import type { ClientResult, Spread } from './tally.ts';
import { measured, noteFaults, peersOf, type StreamTarget } from './target.ts';

/**
 * Tokens per second and stream: such that streamer and client together, which share a core, stay below half of it with 1 000
 * streams, and a token does not wait for the one of another stream.
 */
const TOKENS_PER_S = 5;
/** With 1 000 streams of 4 s open, 250 begin and end per second. */
const TOKENS = 20;
const STREAM_S = TOKENS / TOKENS_PER_S;
const FIRST_TOKEN_MS = 50;
const SETTLE_MS = 1_000;
const WARM_UP_SECONDS = 2;
/** Share of the tokens of the direct way below which a gateway does not keep up. */
const CARRIED_AT_LEAST = 0.95;
const ALL_THREADS = /^/;

const MEASURES = [
  { name: 'time to first token', of: (result: ClientResult) => result.firstToken, target: { atMost: 1 } },
  { name: 'gap between tokens', of: (result: ClientResult) => result.gap, target: { atMost: 1 } },
  { name: 'way of a token', of: (result: ClientResult) => result.transit, target: null },
] as const;

/** What each target adds to first token, gap and token over the direct way, measured in the same round. */
export async function measureLatency(
  field: Field,
  targets: readonly StreamTarget[],
  streamerPid: number,
): Promise<Line[]> {
  const streams = field.quick ? 200 : 1_000;
  const rounds: Map<string, ClientResult>[] = [];
  for (let round = 0; round <= field.rounds; round++) {
    const results = new Map<string, ClientResult>();
    for (const target of targets) {
      // The first round warms up.
      const seconds = round === 0 ? WARM_UP_SECONDS : field.seconds;
      const result = await runOne(field, target, streams, seconds, streamerPid);
      noteFaults(field, `${target.name}, ${streams} open streams, round ${round}`, result);
      results.set(target.name, result);
    }
    if (round > 0) rounds.push(results);
  }
  noteOverload(field, targets, rounds, streams);
  return MEASURES.flatMap((measure) => linesOf(measure, targets, rounds, streams));
}

type Rounds = readonly ReadonlyMap<string, ClientResult>[];

function noteOverload(field: Field, targets: readonly StreamTarget[], rounds: Rounds, streams: number): void {
  for (const { name } of targets) {
    const carried = median(rounds.map((results) => results.get(name)!.eventsPerS / results.get('direct')!.eventsPerS));
    if (carried >= CARRIED_AT_LEAST) continue;
    field.note(
      `P4: ${name} carried ${(carried * 100).toFixed(0)} % of the tokens of ${streams} streams: its delays are those of a queue that grows`,
    );
  }
}

function linesOf(
  { name, of, target }: (typeof MEASURES)[number],
  targets: readonly StreamTarget[],
  rounds: Rounds,
  streams: number,
): Line[] {
  const added = (peer: string, figure: keyof Spread) =>
    median(rounds.map((results) => of(results.get(peer)!)[figure] - of(results.get('direct')!)[figure]));
  const ours = measured(added('ringside', 'p99Ms'));
  const directP99 = median(rounds.map((results) => of(results.get('direct')!).p99Ms));
  const line: Line = {
    row: 'P4',
    what: `added ${name} p99, ${streams} open streams of ${TOKENS_PER_S} tokens/s`,
    unit: 'ms',
    ours,
    peer: null,
    compared: ours,
    target,
    remark: `p50 ${added('ringside', 'p50Ms').toFixed(2)} ms; p99 without a gateway ${directP99.toFixed(2)} ms`,
  };
  const peers = peersOf(targets)
    .map((peer) => ({ name: peer.name, value: added(peer.name, 'p99Ms') }))
    .filter(({ value }) => measured(value) !== null);
  return peers.length === 0 ? [line] : peers.map((peer) => ({ ...line, peer }));
}

async function runOne(
  field: Field,
  target: StreamTarget,
  streams: number,
  seconds: number,
  streamerPid: number,
): Promise<ClientResult> {
  let streamerFromS = 0;
  const { url, headers, model } = target;
  // Opened over one life of a stream, so that from then on as many begin at any time.
  const pace = { kind: 'paced', tokens: TOKENS, gapMs: 1_000 / TOKENS_PER_S, firstMs: FIRST_TOKEN_MS } as const;
  const run = { url, headers, model, pace, streams, rampPerS: streams / STREAM_S, settleMs: SETTLE_MS, seconds };
  const result = await runClient(run, field.otherCore, () => {
    streamerFromS = threadCpuS(streamerPid, ALL_THREADS);
  });
  const streamerShare = (threadCpuS(streamerPid, ALL_THREADS) - streamerFromS) / seconds;
  field.say(
    `P4 ${target.name.padEnd(9)} first token ${show(result.firstToken)}  gap ${show(result.gap)}  token ${show(result.transit)}  ${result.eventsPerS.toFixed(0)} events/s  core of client ${percent(result.cpuShare)}, of streamer ${percent(streamerShare)}`,
  );
  return result;
}

const show = ({ p50Ms, p99Ms }: Spread) => `${p50Ms.toFixed(2)}/${p99Ms.toFixed(2)} ms`;
const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
