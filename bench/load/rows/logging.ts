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
/** "costs ≤ 15 % throughput" */
const TARGET = { atLeast: 0.85 } as const;

/** The sides. All four serve the same configuration with one serving thread. */
const NOTHING = 'nothing logged';
const WRITTEN = 'log written, no shipper';
const FULL = 'whole gateway';
const FULL_UNCAPTURED = 'whole gateway, capture off';

/** P11: what the log costs. */
export const logging: RowFamily = {
  id: 'P11',
  title: 'throughput with the log against none, and with captured bodies against none',
  async measure(field) {
    const prepare = ({ api }: Installation) => addGroup(api, UNCAPTURED, { capture: { mode: 'none' } });
    const full = await startRingside(field, { prepare });
    const stops: (() => Promise<void>)[] = [() => full.stop()];
    try {
      const sides: Side[] = [];
      for (const [name, spool] of [[NOTHING, 'dropped'] as const, [WRITTEN, 'written'] as const]) {
        const alone = await startServingThread(field, full, spool);
        stops.push(() => alone.stop());
        sides.push(sideOf(name, alone, full, spool === 'dropped' ? UNCAPTURED : full.model));
      }
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
    ...['memory', 'disk', 'off'].map(
      (mode): Line => ({
        row: 'P11',
        what: `durability mode ${mode}`,
        unit: 'req/s',
        ours: null,
        peer: null,
        compared: null,
        target: null,
        remark: `not yet: durability mode ${mode}`,
      }),
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
