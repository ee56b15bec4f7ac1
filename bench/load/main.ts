import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ringside } from '../peers/ringside/peer.ts';
import { type Curve, measureCurves } from './curve.ts';
import { FAMILIES, type Listed, type RunSize } from './families.ts';
import { emptyLine } from './lines.ts';
import { loadNiceLevel } from './load-tool.ts';
import { describeMachine, sharesBySession, toolVersions } from './machine.ts';
import { CURVE, HELP, type Options, OptionsError, parseOptions } from './options.ts';
import { residentBytes } from './processes.ts';
import { createProgress } from './progress.ts';
import { writeReport } from './report.ts';
import { renderSection } from './results-page.ts';
import type { Field, Line } from './row.ts';
import { checkAnswer, startPeer } from './start-peers.ts';
import { startUpstream } from './upstream.ts';
import { warmUp, warmUpS } from './warm-up.ts';

/** Core 0 serves; core 1 has the load generator, the upstream, PostgreSQL, the shipper. */
const SERVING_CORE = 0;
const OTHER_CORE = 1;

const print = (line: string) => process.stdout.write(`${line}\n`);

function readOptions(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof OptionsError || error instanceof TypeError)) throw error;
    print(`${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}

const options = readOptions();
if (options.help) {
  print(HELP);
  process.exit(0);
}
const stops: (() => Promise<unknown>)[] = [];
const stopAll = async () => {
  for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) await stop();
};
// Every process that is started ends with this one.
process.setMaxListeners(64);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAll().finally(() => process.exit(130)));
}
try {
  await bench();
} finally {
  await stopAll();
}

async function bench(): Promise<void> {
  const startedMs = performance.now();
  const at = new Date().toISOString();
  const notes: string[] = [];
  const field = await prepare(notes);
  const { lines, curves } = await measure(field);
  notes.push(
    `resident memory of the gateway after the whole run: ${(residentBytes(field.ringside.pid) / 1e6).toFixed(0)} MB`,
  );
  const report = {
    ...{ at, ...(await describeMachine()), versions: field.versions, conditions: await conditions() },
    command: `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim(),
    ...{ quick: options.quick, durationS: (performance.now() - startedMs) / 1000, lines, curves, notes },
  };
  const path = await writeReport(report);
  print(`\n${renderSection(report)}\n`);
  if (options.json) print(await readFile(path, 'utf8'));
  print(`figures: ${path}`);
}

/** Starts upstream, Ringside and the peers. */
async function prepare(notes: string[]): Promise<Field & { readonly versions: Record<string, string> }> {
  const scratch = await mkdtemp(join(tmpdir(), 'ringside-bench-'));
  stops.push(() => rm(scratch, { recursive: true, force: true }));
  const upstream = await startUpstream(scratch, OTHER_CORE);
  stops.push(() => upstream.stop());
  const layout = { upstreamUrl: upstream.url, core: SERVING_CORE, otherCore: OTHER_CORE, scratch };
  print('starting ringside');
  const ours = await ringside.start(layout);
  stops.push(() => ours.stop());
  await checkAnswer(ours);
  const versions = { ringside: await ringside.version(), ...(await toolVersions()) } as Record<string, string>;
  const peers: Field['peers'][number][] = [];
  for (const name of options.peers) {
    print(`starting ${name}`);
    const peer = await startPeer(name, layout);
    if (typeof peer === 'string') {
      notes.push(`${name} takes no part: ${peer}`);
      print(notes.at(-1)!);
      continue;
    }
    stops.push(() => peer.started.stop());
    versions[name] = peer.version;
    peers.push(peer);
  }
  const { rounds, seconds, quick } = options;
  const note = (line: string) => void notes.push(line);
  return { ...layout, rounds, seconds, quick, ringside: ours, peers, versions, note, say: print };
}

/** All rows that were asked for; one that throws becomes a line that says so. */
async function measure(prepared: Field): Promise<{ lines: Line[]; curves: readonly Curve[] }> {
  const size: RunSize = { ...options, gateways: prepared.peers.length + 1 };
  const wanted = (id: string) => options.only === null || options.only.includes(id);
  const leftOut = ({ notInQuick }: Listed) => notInQuick === true && options.quick && options.only === null;
  for (const { family } of FAMILIES.filter(leftOut))
    prepared.note(`${family.id}: not in a quick run, unless asked for with --only`);
  const families = FAMILIES.filter((listed) => wanted(listed.family.id) && !leftOut(listed));
  const curveS = size.gateways * 6 * (Math.min(3, size.seconds) + 0.6);
  const warmS = warmUpS(size.gateways, size.quick);
  const totalS = families.reduce((sum, { expectedS }) => sum + expectedS(size), warmS + (wanted(CURVE) ? curveS : 0));
  const progress = createProgress(totalS, () => performance.now(), print);
  const field = { ...prepared, say: progress.say };
  progress.begin('warming up', warmS);
  await warmUp(field);
  const lines: Line[] = [];
  for (const { family, expectedS } of families) {
    progress.begin(`${family.id}: ${family.title}`, expectedS(size));
    try {
      lines.push(...(await family.measure(field)));
    } catch (error) {
      progress.say(`${family.id} failed: ${error instanceof Error ? error.stack : String(error)}`);
      field.note(`${family.id} failed: ${String(error)}`);
      lines.push(emptyLine(family.id, family.title, 'could not be measured; the notes say why'));
    }
  }
  if (!wanted(CURVE)) return { lines, curves: [] };
  progress.begin('curve: rate against latency', curveS);
  return { lines, curves: await measureCurves(field) };
}

/** What a reader must know of how it was measured. */
async function conditions(): Promise<string[]> {
  const nice = await loadNiceLevel();
  return [
    `Medians of ${options.rounds} alternating rounds of ${options.seconds} s, after one that warms up, and small chats to all before that.`,
    `Layout: the serving thread alone on core ${SERVING_CORE}; load tool, upstream, PostgreSQL, shipper and control plane on core ${OTHER_CORE}.`,
    nice < 0
      ? `Upstream and load tools run at nice ${nice}, for every peer alike, so that the serving core is what is measured.`
      : 'The system did not permit a higher priority for upstream and load tools: they share their core with the rest evenly.',
    ...((await sharesBySession())
      ? [
          'Autogroups are on: each session, and so each backend of PostgreSQL, has an equal share of its core whatever its nice level.',
        ]
      : []),
    'Ringside with its log on, durable against the death of the process and shipped to PostgreSQL meanwhile; default capture, the first 64 KB of each side.',
    'Shipping takes a quarter of its time while the serving thread is busy, and catches up before the next gateway has its turn (waited for, at most 10 s); the rate that lasts is the all-in row, which counts until everything is stored.',
  ];
}
