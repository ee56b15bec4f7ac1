import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Backlog, writeBacklog } from './backlog.ts';
import { type ClickHouseStore, startClickHouseStore } from './clickhouse-store.ts';
import { type Drained, measureDrain } from './drain.ts';
import { startLogStore } from './log-store.ts';

const HELP = `node bench/load/shipping/main.ts [--rows 100000] [--rounds 3] [--groups 4] [--workers 1] [--core 1] [--against <checkout>] [--clickhouse]

Drains a backlog into PostgreSQL with the shipper of this checkout and, in turn, with another checkout's, all on one core.
With --clickhouse also into a ClickHouse, as the tests find one, plain and packed with zstd.`;

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    groups: { type: 'string', default: '4' },
    workers: { type: 'string', default: '1' },
    core: { type: 'string', default: '1' },
    against: { type: 'string' },
    clickhouse: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const say = (line: string) => process.stdout.write(`${line}\n`);
if (values.help) {
  say(HELP);
  process.exit(0);
}

const here = new URL('../../..', import.meta.url).pathname;
const checkouts = [here, ...(values.against === undefined ? [] : [resolve(values.against)])];
const core = Number(values.core);
const source = {
  organizationId: randomUUID(),
  groupIds: Array.from({ length: Number(values.groups) }, () => randomUUID()),
  keyId: randomUUID(),
};
const scratch = await mkdtemp(join(tmpdir(), 'ringside-shipping-'));
const store = await startLogStore(join(scratch, 'postgres'), core);
const columnar = values.clickhouse ? await startClickHouseStore(core) : undefined;
try {
  const backlog = await writeBacklog(join(scratch, 'backlog'), Number(values.rows), Number(values.workers), source);
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const checkout of checkouts) {
      const drained = await measureDrain({ store, backlog, source, checkout, core, scratch });
      say(`${round} ${checkout} ${describe(drained)}`);
    }
    for (const compression of columnar === undefined ? [] : (['none', 'zstd'] as const)) {
      await drainInto(columnar!, backlog, compression, round);
    }
  }
} finally {
  await columnar?.stop();
  await store.stop();
  await rm(scratch, { recursive: true, force: true });
}

async function drainInto(
  columnar: ClickHouseStore,
  backlog: Backlog,
  compression: 'none' | 'zstd',
  round: number,
): Promise<void> {
  const database = await columnar.createDatabase(compression);
  const clickhouse = { store: columnar, database };
  const drained = await measureDrain({ store, backlog, source, checkout: here, core, scratch, clickhouse });
  say(`${round} ClickHouse, ${columnar.what} (compression: ${compression}) ${describe(drained)}`);
  await database.drop();
}

function describe({ rowsPerS, shipperUs, postgresUs, clickhouseUs }: Drained): string {
  const elsewhere = clickhouseUs === null ? '' : `, ClickHouse ${clickhouseUs.toFixed(1)}`;
  return `${rowsPerS.toFixed(0)} rows/s, CPU µs per row: shipper ${shipperUs.toFixed(1)}, PostgreSQL ${postgresUs.toFixed(1)}${elsewhere}`;
}
