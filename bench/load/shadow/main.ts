import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { addGroup, type Installation } from '../../peers/ringside/installation.ts';
import { type StartedRingside, startRingside } from '../../peers/ringside/peer.ts';
import { measureInRounds } from '../rounds.ts';
import { missed, runScheduled, type ScheduledResult } from '../scheduled.ts';
import { chatBody, type Target } from '../side.ts';
import { median, rangeOf } from '../statistics.ts';
import { startUpstream } from '../upstream.ts';
import { runWrk, type WrkResult } from '../wrk.ts';
import { startBlackHole } from './black-hole.ts';

const HELP = `node bench/load/shadow/main.ts [--rounds 5] [--seconds 5] [--rate 1000] [--connections 64] [--core 0] [--other-core 1]

What mirrored calls cost callers. One gateway with one serving thread and three groups that differ in their shadow: none, one that
answers as the champion does, and one that takes every call and never answers; everything is mirrored, within the default bounds. In
alternating rounds: latency and errors at a constant rate on schedule, then the rate of a closed loop.
Needs nginx, wrk and taskset, as the other benchmarks.`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    rate: { type: 'string', default: '1000' },
    connections: { type: 'string', default: '64' },
    core: { type: 'string', default: '0' },
    'other-core': { type: 'string', default: '1' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const say = (line: string) => void process.stdout.write(`${line}\n`);
if (values.help) {
  say(HELP);
  process.exit(0);
}

const PROMPT_BYTES = 1_000;
/** The groups, by what their shadow does. */
const SIDES = { none: 'bench-alone', healthy: 'bench-mirrored', 'black-holed': 'bench-hole' } as const;
const MODELS = ['champion', 'challenger'] as const;

const core = Number(values.core);
const otherCore = Number(values['other-core']);
const connections = Number(values.connections);
const requestsPerS = Number(values.rate);
const notes: string[] = [];
const field = {
  rounds: Number(values.rounds),
  seconds: Number(values.seconds),
  say,
  note: (line: string) => void notes.push(line),
};
const scratch = await mkdtemp(join(tmpdir(), 'ringside-shadow-'));
const stops: (() => Promise<unknown>)[] = [() => rm(scratch, { recursive: true, force: true })];
try {
  await bench();
} finally {
  for (const stop of stops.toReversed()) await stop();
}

async function bench(): Promise<void> {
  const upstream = await startUpstream(scratch, otherCore);
  stops.push(() => upstream.stop());
  const hole = await startBlackHole();
  stops.push(() => hole.stop());
  const ringside = await startRingside(
    { upstreamUrl: upstream.url, core, otherCore, scratch },
    { prepare: (installation) => configure(installation, hole.url) },
  );
  stops.push(() => ringside.stop());
  const targets = Object.entries(SIDES).map(([name, model]): Target => ({ ...ringside, name, model }));
  const onSchedule = await measureInRounds(field, {
    label: `${requestsPerS} req/s:`,
    targets,
    run: ({ url, headers, model }, seconds) =>
      runScheduled({
        ...{ url, headers, seconds, connections, scratch, core: otherCore },
        ...{ pace: { kind: 'constant', requestsPerS }, body: chatBody(model, PROMPT_BYTES) },
      }),
    describe: ({ p50Ms, p99Ms }) => `p50 ${p50Ms.toFixed(3)} ms, p99 ${p99Ms.toFixed(3)} ms`,
    failures: missed,
  });
  const closed = await measureInRounds(field, {
    label: `${connections} connections:`,
    targets,
    run: ({ url, headers, model }, seconds) =>
      runWrk({
        ...{ url, headers, seconds, connections, scratch, core: otherCore },
        body: chatBody(model, PROMPT_BYTES),
      }),
    describe: (result) => `${result.requestsPerS.toFixed(0)} req/s`,
    failures: ({ failures }) => failures,
  });
  await report(ringside, onSchedule, closed);
}

/** The same models in every group; only the shadow differs. */
async function configure({ api }: Installation, holeUrl: string): Promise<void> {
  await api('POST', '/providers', { name: 'hole', kind: 'openai', baseUrl: `${holeUrl}/v1`, apiKey: 'sk-bench' });
  await api('POST', '/models', { name: 'hole', provider: 'hole', upstreamModel: 'bench' });
  await api('POST', '/models', { name: 'healthy', provider: 'up', upstreamModel: 'bench' });
  const shadows: readonly (readonly [group: string, shadow: string | null])[] = [
    [SIDES.none, null],
    [SIDES.healthy, 'healthy'],
    [SIDES['black-holed'], 'hole'],
  ];
  for (const [group, shadow] of shadows) {
    await addGroup(api, group, {}, MODELS);
    if (shadow === null) continue;
    await api('PUT', `/groups/${group}/variants`, [
      { model: MODELS[0], role: 'champion', weightBp: 9_000 },
      { model: MODELS[1], role: 'challenger', weightBp: 1_000 },
      { model: shadow, role: 'shadow' },
    ]);
  }
}

async function report(
  { metricsUrl }: StartedRingside,
  onSchedule: ReadonlyMap<string, readonly ScheduledResult[]>,
  closed: ReadonlyMap<string, readonly WrkResult[]>,
): Promise<void> {
  say(`\nmedians of ${field.rounds} rounds of ${field.seconds} s (smallest to largest)`);
  say('| shadow | p50 ms | p99 ms | without a good answer | req/s, closed loop |');
  say('| --- | --- | --- | --- | --- |');
  for (const name of Object.keys(SIDES)) {
    const scheduled = onSchedule.get(name) ?? [];
    const looped = closed.get(name) ?? [];
    const missing = scheduled.reduce((sum, result) => sum + missed(result), 0);
    const due = scheduled.reduce((sum, result) => sum + result.scheduled, 0);
    const cells = [
      figure(
        scheduled.map(({ p50Ms }) => p50Ms),
        3,
      ),
      figure(
        scheduled.map(({ p99Ms }) => p99Ms),
        3,
      ),
      `${missing} of ${due}`,
      figure(
        looped.map((result) => result.requestsPerS),
        0,
      ),
    ];
    say(`| ${[name, ...cells].join(' | ')} |`);
  }
  say('\nwhat became of the mirrored calls, warm-up included:');
  const exposition = await (await fetch(metricsUrl)).text();
  for (const line of exposition.split('\n')) if (line.startsWith('ringside_mirrored_total{')) say(line);
  for (const line of notes) say(`note: ${line}`);
}

function figure(samples: readonly number[], digits: number): string {
  if (samples.length === 0) return 'not measured';
  const [lowest, highest] = rangeOf(samples);
  return `${median(samples).toFixed(digits)} (${lowest.toFixed(digits)} to ${highest.toFixed(digits)})`;
}
