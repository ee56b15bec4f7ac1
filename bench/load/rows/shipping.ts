import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { absoluteLine } from '../lines.ts';
import type { Field, Line, RowFamily } from '../row.ts';
import { writeBacklog } from '../shipping/backlog.ts';
import { type Drained, measureDrain } from '../shipping/drain.ts';
import { type LogStore, startLogStore } from '../shipping/log-store.ts';
import { SERVED_LOAD, serveWhileDraining } from '../shipping/serving.ts';

const GROUPS = 4;
const FULL_ROWS = 1_000_000;
const LESS_ROWS = 500_000;
const QUICK_ROWS = 100_000;
/** The full backlog is drained when the quick one says that it takes no longer. */
const MAX_DRAIN_S = 90;
const CHECKOUT = new URL('../../..', import.meta.url).pathname;

/** P6: how fast the log gets into PostgreSQL when both have one core between them. */
export const shipping: RowFamily = {
  id: 'P6',
  title: 'backlog of exchanges into PostgreSQL, shipper and PostgreSQL on one core',
  async measure(field) {
    return [await measureShipping(field), await measureServing(field)];
  },
};

async function measureShipping(field: Field): Promise<Line> {
  const folder = await mkdtemp(join(field.scratch, 'shipping-'));
  const store = await startLogStore(join(folder, 'postgres'), field.otherCore);
  try {
    const quick = await drain(field, store, folder, QUICK_ROWS);
    const rows = FULL_ROWS / quick.rowsPerS <= MAX_DRAIN_S ? FULL_ROWS : LESS_ROWS;
    if (field.quick) return lineOf(QUICK_ROWS, quick);
    return lineOf(rows, await drain(field, store, folder, rows));
  } finally {
    await store.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** p99 of the same load while a backlog drains and without, round by round. */
async function measureServing(field: Field): Promise<Line> {
  // The drain before it took minutes, and is a line of its own.
  const rounds = await serveWhileDraining(field).catch((error: unknown) => {
    field.note(`P6: p99 while a backlog drains could not be measured: ${String(error)}`);
    return [];
  });
  return absoluteLine({
    row: 'P6',
    what: `p99 while a backlog drains / without, ${SERVED_LOAD}`,
    unit: '×',
    ours: rounds.map(({ quietP99Ms, drainingP99Ms }) => drainingP99Ms / quietP99Ms),
    target: { atMost: 1.1 },
    remark: [
      ...rounds.map(({ quietP99Ms, drainingP99Ms }) => `p99 ${quietP99Ms.toFixed(2)} → ${drainingP99Ms.toFixed(2)} ms`),
      'shipper, PostgreSQL, load tool and upstream share a core',
    ].join('; '),
  });
}

async function drain(field: Field, store: LogStore, folder: string, rows: number): Promise<Drained> {
  const source = {
    organizationId: randomUUID(),
    groupIds: Array.from({ length: GROUPS }, () => randomUUID()),
    keyId: randomUUID(),
  };
  const root = join(folder, `backlog-${rows}`);
  const backlog = await writeBacklog(root, rows, 1, source);
  const drained = await measureDrain({
    ...{ store, backlog, source, checkout: CHECKOUT, core: field.otherCore, scratch: folder },
  });
  await rm(root, { recursive: true, force: true });
  field.say(`P6 ${rows} exchanges ${drained.rowsPerS.toFixed(0)} rows/s, ${cpuOf(drained)}`);
  return drained;
}

function lineOf(rows: number, drained: Drained): Line {
  const { rowsPerS } = drained;
  const size = rows >= 1_000_000 ? `${rows / 1_000_000} M` : `${rows / 1_000} k`;
  return {
    ...{ row: 'P6', what: `drain of a backlog of ${size} exchanges, shipper and PostgreSQL on one core` },
    ...{ unit: 'rows/s', ours: rowsPerS, peer: null, compared: rowsPerS, target: { atLeast: 20_000 } },
    remark: `${GROUPS} groups; ${cpuOf(drained)}`,
  };
}

function cpuOf({ shipperUs, postgresUs }: Drained): string {
  return `CPU per row: shipper ${shipperUs.toFixed(1)} µs, PostgreSQL ${postgresUs.toFixed(1)} µs`;
}
