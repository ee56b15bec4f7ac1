import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nginx } from '../peers/nginx/peer.ts';
import type { Peer, StartedPeer } from '../peers/peer.ts';
import { portkey } from '../peers/portkey/peer.ts';
import { ringside } from '../peers/ringside/peer.ts';
import { residentBytes } from './processes.ts';
import { describeMachine, median, type Row, writeReport } from './report.ts';
import { startUpstream } from './upstream.ts';
import { runWrk, type WrkResult } from './wrk.ts';

/** Core 0 serves; core 1 has the load generator, the upstream, PostgreSQL, the shipper. */
const SERVING_CORE = 0;
const OTHER_CORE = 1;
const PEERS: readonly Peer[] = [ringside, nginx, portkey];

interface Scenario {
  readonly id: string;
  readonly name: string;
  readonly promptBytes: number;
  readonly connections: number;
  readonly metric: 'rate' | 'latency';
  /** The target of performance.md against a peer: ours / theirs for rates. */
  readonly targets: Readonly<Record<string, string>>;
}

const SCENARIOS: readonly Scenario[] = [
  {
    id: 'P1',
    name: 'small chat, 64 connections',
    promptBytes: 1_000,
    connections: 64,
    metric: 'rate',
    targets: { nginx: '≥ 0.30', portkey: '≥ 15' },
  },
  {
    id: 'P2',
    name: 'small chat, 1 connection',
    promptBytes: 1_000,
    connections: 1,
    metric: 'latency',
    targets: { portkey: '≤ 0.12 (added p50)' },
  },
  {
    id: 'P3a',
    name: '100 KB prompt, 16 connections',
    promptBytes: 100_000,
    connections: 16,
    metric: 'rate',
    targets: { nginx: '≥ 0.30', portkey: '≥ 10' },
  },
  {
    id: 'P3b',
    name: '1 MB prompt, 16 connections',
    promptBytes: 1_000_000,
    connections: 16,
    metric: 'rate',
    targets: { nginx: '≥ 0.45', portkey: '≥ 10' },
  },
];

const HELP = `npm run bench -- [--only P1,P3] [--rounds 5] [--seconds 5] [--peers nginx,portkey]

Measures Ringside beside its peers on this machine, in alternating rounds, and appends a table to bench/RESULTS.md.
Needs Linux with two cores, taskset, nginx and wrk (apt-get install nginx-light wrk).`;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    peers: { type: 'string', default: 'nginx,portkey' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const say = (line: string) => process.stdout.write(`${line}\n`);
if (values.help) {
  say(HELP);
  process.exit(0);
}

const scratch = await mkdtemp(join(tmpdir(), 'ringside-bench-'));
const stops: (() => Promise<unknown>)[] = [() => rm(scratch, { recursive: true, force: true })];
try {
  await bench();
} finally {
  for (const stop of stops.reverse()) await stop();
}

async function bench(): Promise<void> {
  const rounds = Number(values.rounds);
  const seconds = Number(values.seconds);
  const wanted = values.only?.split(',');
  const scenarios = SCENARIOS.filter(({ id }) => wanted === undefined || wanted.some((name) => id.startsWith(name)));
  const peerNames = ['ringside', ...values.peers.split(',').filter((name) => name !== '')];
  const upstream = await startUpstream(scratch, OTHER_CORE);
  stops.push(() => upstream.stop());
  const started = new Map<string, StartedPeer>();
  const notes: string[] = [];
  const versions: Record<string, string> = {};
  for (const name of peerNames) {
    const peer = PEERS.find((candidate) => candidate.name === name);
    if (peer === undefined)
      throw new Error(`there is no peer "${name}"; there are ${PEERS.map((known) => known.name).join(', ')}`);
    say(`starting ${name}`);
    const missing = await peer.missing();
    if (missing !== undefined) {
      notes.push(`${name} is missing: ${missing}`);
      continue;
    }
    versions[name] = await peer.version();
    const { url: upstreamUrl } = upstream;
    const running = await peer.start({ upstreamUrl, core: SERVING_CORE, otherCore: OTHER_CORE, scratch });
    stops.push(() => running.stop());
    started.set(name, running);
  }
  const rows: Row[] = [];
  for (const scenario of scenarios) rows.push(await measure(scenario, upstream.url, started, rounds, seconds, notes));
  const ours = started.get('ringside')!;
  notes.push(`resident memory of the gateway process after the run: ${(residentBytes(ours.pid) / 1e6).toFixed(0)} MB`);
  await writeReport(
    {
      machine: await describeMachine(),
      versions,
      rows,
      notes,
      command: `npm run bench -- ${process.argv.slice(2).join(' ')}`,
    },
    say,
  );
}

async function measure(
  scenario: Scenario,
  upstreamUrl: string,
  started: ReadonlyMap<string, StartedPeer>,
  rounds: number,
  seconds: number,
  notes: string[],
): Promise<Row> {
  const results = new Map<string, WrkResult[]>();
  const direct = { url: `${upstreamUrl}/v1/chat/completions`, headers: {}, model: 'bench' };
  const targets = new Map<string, Pick<StartedPeer, 'url' | 'headers' | 'model'>>(started);
  if (scenario.metric === 'latency') targets.set('direct', direct);
  for (let round = 0; round <= rounds; round++) {
    for (const [name, peer] of targets) {
      const content = 'Lorem ipsum "dolor" sit amet.\n'
        .repeat(Math.ceil(scenario.promptBytes / 30))
        .slice(0, scenario.promptBytes);
      const result = await runWrk({
        url: peer.url,
        headers: peer.headers,
        body: JSON.stringify({ model: peer.model, messages: [{ role: 'user', content }] }),
        connections: scenario.connections,
        seconds: round === 0 ? 2 : seconds,
        core: OTHER_CORE,
        scratch,
      });
      // The first round warms up.
      if (round === 0) continue;
      if (result.failures > 0)
        notes.push(`${scenario.id} round ${round}: ${name} had ${result.failures} failed requests`);
      results.set(name, [...(results.get(name) ?? []), result]);
      say(
        `${scenario.id} ${round}/${rounds} ${name.padEnd(9)} ${result.requestsPerS.toFixed(0).padStart(7)} req/s  p50 ${result.p50Ms.toFixed(3)} ms  p99 ${result.p99Ms.toFixed(2)} ms`,
      );
    }
  }
  return {
    id: scenario.id,
    name: scenario.name,
    metric: scenario.metric,
    targets: scenario.targets,
    results: Object.fromEntries(
      [...results].map(([name, runs]) => [
        name,
        {
          requestsPerS: median(runs.map((run) => run.requestsPerS)),
          p50Ms: median(runs.map((run) => run.p50Ms)),
          p99Ms: median(runs.map((run) => run.p99Ms)),
        },
      ]),
    ),
  };
}
