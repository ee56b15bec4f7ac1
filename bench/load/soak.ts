import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startRingside } from '../peers/ringside/peer.ts';
import { describeMachine } from './machine.ts';
import { residentBytes } from './processes.ts';
import { clock } from './progress.ts';
import { addSection } from './report.ts';
import { renderSoak } from './soak-chart.ts';
import { runSoakLoad, type SoakResult, startStreamUpstream, summarize } from './soak-load.ts';
import { readSample, type SoakSample, verdictOfSoak } from './soak-samples.ts';
import { renderSoakSection, type SoakReport, soakNameOf } from './soak-section.ts';
import { startUpstream } from './upstream.ts';

/**
 * `npm run bench:soak -- --minutes 60`: constant load for long, to see whether memory grows. Writes figures and a picture to
 * bench/results. The layout is the one of `npm run bench`.
 */
const SERVING_CORE = 0;
const OTHER_CORE = 1;
const SAMPLE_EVERY_MS = 5_000;
const HELP = 'npm run bench:soak -- [--minutes 60] [--rate 1000] [--streams 20]';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '1000' },
    streams: { type: 'string', default: '20' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const print = (line: string) => process.stdout.write(`${line}\n`);
const minutes = Number(values.minutes);
const requestsPerS = Number(values.rate);
const streams = Number(values.streams);
if (values.help || !(minutes > 0) || !(requestsPerS > 0) || !(streams > 0)) {
  print(HELP);
  process.exit(values.help ? 0 : 2);
}

const stops: (() => Promise<unknown>)[] = [];
const stopAll = async () => {
  for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) await stop();
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAll().finally(() => process.exit(130)));
}
try {
  await soak();
} finally {
  await stopAll();
}

async function soak(): Promise<void> {
  const at = new Date().toISOString();
  const scratch = await mkdtemp(join(tmpdir(), 'ringside-soak-'));
  stops.push(() => rm(scratch, { recursive: true, force: true }));
  const upstream = await startUpstream(scratch, OTHER_CORE);
  stops.push(() => upstream.stop());
  const layout = { upstreamUrl: upstream.url, core: SERVING_CORE, otherCore: OTHER_CORE, scratch };
  const streamUpstream = await startStreamUpstream(OTHER_CORE);
  stops.push(() => streamUpstream.stop());
  const ringside = await startRingside(layout, { prepare: streamUpstream.prepare });
  stops.push(() => ringside.stop());

  const load = runSoakLoad(ringside, { requestsPerS, streams, seconds: minutes * 60, core: OTHER_CORE, scratch });
  const samples = await sampleUntil(load, ringside.pid, ringside.metricsUrl);
  const result = await load;
  const report: SoakReport = {
    ...{ at, command: `npm run bench:soak -- ${process.argv.slice(2).join(' ')}`.trim() },
    ...(await describeMachine()),
    load: `${requestsPerS} small chats a second on schedule and ${streams} paced streams`,
    ...{ outcome: summarize(result), verdict: verdictOfSoak(samples), samples },
  };
  await writeSoak(report, result);
  print(renderSoakSection(report));
}

/** Figures and picture beside the other results, and a section in RESULTS.md. */
async function writeSoak(report: SoakReport, result: SoakResult): Promise<void> {
  const folder = join(import.meta.dirname, '..');
  await mkdir(join(folder, 'results'), { recursive: true });
  const base = join(folder, 'results', soakNameOf(report));
  await writeFile(`${base}.json`, `${JSON.stringify({ ...report, result }, null, 2)}\n`);
  await writeFile(`${base}.svg`, renderSoak(report));
  await addSection(renderSoakSection(report));
}

/** A sample every so often until the load has ended. */
async function sampleUntil(load: Promise<unknown>, pid: number, metricsUrl: string): Promise<SoakSample[]> {
  const samples: SoakSample[] = [];
  const startedMs = performance.now();
  let running = true;
  const ended = () => {
    running = false;
  };
  load.then(ended, ended); // what it throws, the caller sees
  while (running) {
    const metrics = await (await fetch(metricsUrl)).text();
    const sample = readSample((performance.now() - startedMs) / 1000, residentBytes(pid), metrics);
    samples.push(sample);
    print(
      `${clock(sample.atS)} ${sample.residentMb.toFixed(0)} MB, lag p99 ${sample.loopLagP99Ms.toFixed(2)} ms, backlog ${sample.backlogMb.toFixed(1)} MB, ${sample.errors} errors`,
    );
    await Promise.race([load.then(ended, ended), sleep(SAMPLE_EVERY_MS)]);
  }
  return samples;
}
