import { join } from 'node:path';
import { addGroup, type Installation } from '../../peers/ringside/installation.ts';
import { type StartedRingside, startRingside } from '../../peers/ringside/peer.ts';
import { alternate, compare, type Measured, SERVING_THREADS, type Side, spreadOf } from '../alternating.ts';
import { freePort, launch, pinThreads, untilAnswers } from '../processes.ts';
import type { Field, Line, RowFamily } from '../row.ts';
import { chatBody } from '../side.ts';

const CONNECTIONS = 64;
const PROMPT_BYTES = 1_000;
const UNCAPTURED = 'bench-uncaptured';
/** Groups like the default one but for how durable their records are. */
const MEMORY_GROUP = 'bench-memory';
const DISK_GROUP = 'bench-disk';
/** "costs ≤ 15 % throughput" */
const TARGET = { atLeast: 0.85 } as const;

/** The sides. All serve the same configuration with one serving thread. */
const NOTHING = 'nothing logged';
const WRITTEN = 'log written, no shipper';
const WRITTEN_UNCAPTURED = 'log written, capture off';
const IN_MEMORY = 'log written, memory';
const ON_DISK = 'log written, disk';
const FULL = 'whole gateway';
const FULL_UNCAPTURED = 'whole gateway, capture off';

const PROCESS = 'the serving thread alone, durability process';

/** P11: what the log costs. */
export const logging: RowFamily = {
  id: 'P11',
  title: 'throughput with the log against none, and with captured bodies against none',
  async measure(field) {
    const prepare = async ({ api }: Installation) => {
      await addGroup(api, UNCAPTURED, { capture: { mode: 'none' } });
      await addGroup(api, MEMORY_GROUP, { log: { durability: 'memory' } });
      await addGroup(api, DISK_GROUP, { log: { durability: 'disk' } });
    };
    const full = await startRingside(field, { prepare });
    const stops: (() => Promise<void>)[] = [() => full.stop()];
    try {
      const sides: Side[] = [];
      const silent = await startServingThread(field, full, 'dropped');
      stops.push(() => silent.stop());
      const writing = await startServingThread(field, full, 'written');
      stops.push(() => writing.stop());
      sides.push(sideOf(NOTHING, silent, full, UNCAPTURED), sideOf(WRITTEN, writing, full, full.model));
      sides.push(sideOf(WRITTEN_UNCAPTURED, writing, full, UNCAPTURED));
      sides.push(sideOf(IN_MEMORY, writing, full, MEMORY_GROUP), sideOf(ON_DISK, writing, full, DISK_GROUP));
      sides.push(sideOf(FULL, full, full, full.model), sideOf(FULL_UNCAPTURED, full, full, UNCAPTURED));
      return linesOf(await alternate(field, 'P11', sides));
    } finally {
      for (const stop of stops.reverse()) await stop();
    }
  },
};

/** Starts the same request handler without anything around it, on the configuration that the whole gateway has written down. */
async function startServingThread(field: Field, full: StartedRingside, spool: 'written' | 'dropped') {
  const port = await freePort();
  const running = await launch({
    command: process.execPath,
    args: [
      new URL('../logging/main.ts', import.meta.url).pathname,
      spool,
      join(full.dataFolder, 'gateway', 'last-good-config'),
    ],
    core: field.otherCore,
    env: {
      ...full.installation.environment,
      RINGSIDE_DATA_DIR: join(full.installation.folder, `alone-${spool}`),
      RINGSIDE_GATEWAY_LISTEN: String(port),
    },
    ready: () => untilAnswers(`http://127.0.0.1:${port}/readyz`),
  });
  pinThreads(running.pid, SERVING_THREADS, field.core);
  return { ...running, url: `http://127.0.0.1:${port}/v1/chat/completions` };
}

function sideOf(
  name: string,
  { url, pid }: { readonly url: string; readonly pid: number },
  { headers }: StartedRingside,
  model: string,
): Side {
  const body = chatBody(model, PROMPT_BYTES);
  return { name, pid, threads: SERVING_THREADS, run: { url, headers, body, connections: CONNECTIONS } };
}

function linesOf(results: ReadonlyMap<string, readonly Measured[]>): Line[] {
  const side = (name: string) => results.get(name)!;
  const nothing = 'the serving thread alone, capture off, records dropped, answers released at once';
  return [
    lineOf(
      'the serving thread alone writes the default log (64 KB a side) to its spool, no shipper, against nothing logged',
      [side(WRITTEN), side(NOTHING)],
      nothing,
      TARGET,
    ),
    lineOf(
      'the whole gateway, log written and shipped to PostgreSQL, against nothing logged',
      [side(FULL), side(NOTHING)],
      nothing,
      TARGET,
    ),
    lineOf(
      'the whole gateway with captured bodies against capture off',
      [side(FULL), side(FULL_UNCAPTURED)],
      'Ringside, capture off',
      null,
    ),
    lineOf(
      'durability `memory` against the default `process`, the serving thread alone',
      [side(IN_MEMORY), side(WRITTEN)],
      PROCESS,
      null,
    ),
    lineOf(
      'durability `disk` against the default `process`, the serving thread alone; group commit on this disk',
      [side(ON_DISK), side(WRITTEN)],
      PROCESS,
      null,
    ),
    lineOf(
      'capture off, records without bodies, against nothing logged, the serving thread alone',
      [side(WRITTEN_UNCAPTURED), side(NOTHING)],
      nothing,
      null,
    ),
  ];
}

function lineOf(
  what: string,
  [ours, theirs]: readonly [readonly Measured[], readonly Measured[]],
  peerName: string,
  target: Line['target'],
): Line {
  const rate = compare(ours, theirs, 'requestsPerS');
  const cost = compare(ours, theirs, 'requestsPerCpuS');
  return {
    row: 'P11',
    what: `small chat, ${CONNECTIONS} connections: ${what}`,
    unit: 'req/s',
    ours: rate.ours,
    peer: { name: peerName, value: rate.theirs },
    compared: rate.ratio,
    target,
    remark: `${spreadOf(rate, ours.length)}; requests per CPU second of the serving thread ${cost.ratio.toFixed(2)} × (${(1e6 / cost.ours).toFixed(1)} µs against ${(1e6 / cost.theirs).toFixed(1)} µs)`,
  };
}
