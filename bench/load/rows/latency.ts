import { absoluteLine, ratioLine } from '../lines.ts';
import { measureInRounds } from '../rounds.ts';
import type { Field, Line, RowFamily } from '../row.ts';
import type { Pace } from '../scheduled/plan.ts';
import { missed, runScheduled, type ScheduledResult } from '../scheduled.ts';
import { chatBody, DIRECT, directTo, gatewaysOf, OURS } from '../side.ts';
import { runWrk } from '../wrk.ts';

const PROMPT_BYTES = 1_000;
/** Runs at a constant rate say little more when they are longer. */
const LONGEST_RUN_S = 3;

interface Scheduled {
  readonly what: string;
  readonly pace: Pace;
  readonly connections: number;
  /** Peers that take part; null: all. Others cannot keep the rate on one core. */
  readonly peers: readonly string[] | null;
  readonly p99AtMostMs: number | null;
  readonly inQuick: boolean;
}

const SCHEDULED: readonly Scheduled[] = [
  {
    what: '1 000 req/s on schedule, 32 connections',
    pace: { kind: 'constant', requestsPerS: 1_000 },
    connections: 32,
    peers: ['nginx', 'portkey', 'bifrost'],
    p99AtMostMs: 1,
    inQuick: true,
  },
  {
    what: '3 000 req/s on schedule, 64 connections',
    pace: { kind: 'constant', requestsPerS: 3_000 },
    connections: 64,
    peers: ['nginx', 'bifrost'],
    p99AtMostMs: null,
    inQuick: false,
  },
  {
    what: 'bursts of 100 each 100 ms, 100 connections',
    pace: { kind: 'bursts', requests: 100, everyMs: 100 },
    connections: 100,
    peers: ['nginx', 'portkey', 'bifrost'],
    p99AtMostMs: null,
    inQuick: true,
  },
];

/** P2: what a gateway adds to the latency of the upstream. */
export const latency: RowFamily = {
  id: 'P2',
  title: 'added latency: one connection; constant rates and bursts on schedule',
  async measure(field) {
    const lines = await measureOneConnection(field);
    // Between the other two there is little that a quick run needs.
    const loads = field.quick ? SCHEDULED.filter(({ inQuick }) => inQuick) : SCHEDULED;
    for (const load of loads) lines.push(...(await measureScheduled(field, load)));
    return lines;
  },
};

async function measureOneConnection(field: Field): Promise<Line[]> {
  const results = await measureInRounds(field, {
    label: 'P2 1 connection:',
    targets: [directTo(field), ...gatewaysOf(field)],
    seconds: Math.min(field.seconds, LONGEST_RUN_S),
    run: ({ url, headers, model }, seconds) =>
      runWrk({
        ...{ url, headers, seconds, core: field.otherCore, scratch: field.scratch, connections: 1 },
        body: chatBody(model, PROMPT_BYTES),
      }),
    describe: ({ p50Ms }) => `p50 ${p50Ms.toFixed(3)} ms`,
    failures: ({ failures }) => failures,
  });
  const added = (name: string) => addedOver(results, name, ({ p50Ms }) => p50Ms);
  const line = { row: 'P2', unit: 'ms', ours: added(OURS) } as const;
  const what = 'small chat, 1 connection: added p50';
  return [
    absoluteLine({ ...line, what, target: { atMost: 0.15 } }),
    ...field.peers.map(({ name }) =>
      ratioLine({ ...line, what, target: name === 'portkey' ? { atMost: 0.12 } : null }, name, added(name)),
    ),
  ];
}

async function measureScheduled(field: Field, load: Scheduled): Promise<Line[]> {
  const takesPart = (name: string) => load.peers === null || name === OURS || load.peers.includes(name);
  const results = await measureInRounds(field, {
    label: `P2 ${load.what}:`,
    targets: [directTo(field), ...gatewaysOf(field).filter(({ name }) => takesPart(name))],
    seconds: Math.min(field.seconds, LONGEST_RUN_S),
    run: ({ url, headers, model }, seconds) =>
      runScheduled({
        ...{ url, headers, seconds, core: field.otherCore, scratch: field.scratch },
        ...{ pace: load.pace, connections: load.connections, body: chatBody(model, PROMPT_BYTES) },
      }),
    describe: (result) =>
      `p50 ${result.p50Ms.toFixed(3)} ms  p99 ${result.p99Ms.toFixed(2)} ms  generator's p99 lateness ${result.latenessP99Ms.toFixed(2)} ms`,
    failures: missed,
  });
  const added = (name: string) => addedOver(results, name, ({ p99Ms }) => p99Ms);
  const ours = added(OURS);
  const line = { row: 'P2', what: `${load.what}: p99 over direct`, unit: 'ms', ours } as const;
  const absolute = absoluteLine({
    ...line,
    target: load.p99AtMostMs === null ? null : { atMost: load.p99AtMostMs },
    remark: latenessOf(results.get(OURS) ?? []),
  });
  const beside = field.peers.filter(({ name }) => takesPart(name));
  return [absolute, ...beside.map(({ name }) => ratioLine({ ...line, target: null }, name, added(name)))];
}

/** Round by round: a figure minus the one of the upstream alone. */
function addedOver<Result>(
  results: ReadonlyMap<string, readonly Result[]>,
  name: string,
  figure: (result: Result) => number,
): number[] | undefined {
  const direct = results.get(DIRECT);
  return direct && results.get(name)?.map((result, round) => figure(result) - figure(direct[round]!));
}

function latenessOf(results: readonly ScheduledResult[]): string {
  const worst = Math.max(...results.map(({ latenessP99Ms }) => latenessP99Ms));
  return `the generator's own p99 lateness is in it: at most ${worst.toFixed(2)} ms`;
}
