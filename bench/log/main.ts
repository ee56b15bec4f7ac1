// First: it gives zod schemas their `openapi` method, and only those made after it.
import '@hono/zod-openapi';

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { startEmbeddedPostgres } from '#store/embedded-postgres.ts';
import { migrate } from '#store/migrate.ts';
import { createPool, type Db } from '#store/pool.ts';
import { describeMachine } from '../load/machine.ts';
import { addSection } from '../load/report.ts';
import { closePartitions, type FilledLog, fillLog, makeKeys } from './fill.ts';
import { type Measured, measureQuery } from './measure.ts';
import { LOG_BENCH_HELP, type LogBenchOptions, parseLogBenchOptions } from './options.ts';
import { printPlans } from './plans.ts';
import { createDraw, type Draw, LOG_QUERIES } from './queries.ts';
import { logNameOf, renderLogSection } from './section.ts';

const say = (line: string) => void process.stdout.write(`${line}\n`);
const options = parseLogBenchOptions(process.argv.slice(2));
if (options === null) say(LOG_BENCH_HELP);
else await bench(options);

/** A database that was filled, and how long that took. */
interface Filled {
  readonly log: FilledLog;
  readonly fillS: number;
  readonly closeS: number;
  readonly nowMs: number;
}

async function bench(wanted: LogBenchOptions): Promise<void> {
  const folder = wanted.folder ?? (await mkdtemp(join(tmpdir(), 'ringside-bench-log-')));
  const server = await startEmbeddedPostgres({
    folder,
    password: 'bench',
    // Without fsync it fills faster; nothing that is measured writes.
    settings: ['shared_buffers=2GB', 'max_wal_size=8GB', 'maintenance_work_mem=256MB', 'fsync=off'],
  });
  try {
    const databaseUrl = Object.assign(new URL(server.databaseUrl), { pathname: '/postgres' }).href;
    const filled = await fillOrReuse(databaseUrl, folder, wanted);
    await makeKeys(databaseUrl, filled.log);
    await measureAll(databaseUrl, filled, wanted);
  } finally {
    await server.stop();
    if (wanted.folder === null) await rm(folder, { recursive: true, force: true });
  }
}

async function fillOrReuse(databaseUrl: string, folder: string, wanted: LogBenchOptions): Promise<Filled> {
  const note = join(folder, 'filled.json');
  const stored = await readFile(note, 'utf8').catch(() => undefined); // missing: it is to be filled
  if (stored !== undefined) return JSON.parse(stored) as Filled;
  await migrate(databaseUrl);
  const nowMs = Date.now();
  const startMs = performance.now();
  const log = await fillLog(databaseUrl, wanted, nowMs, say);
  const filledMs = performance.now();
  say(`filled in ${((filledMs - startMs) / 1000).toFixed(0)} s; indexing what has ended`);
  const closed = await closePartitions(databaseUrl, say);
  const closeS = (performance.now() - filledMs) / 1000;
  say(`${closed} partitions indexed in ${closeS.toFixed(0)} s`);
  const filled = { log, nowMs, fillS: (filledMs - startMs) / 1000, closeS };
  await writeFile(note, JSON.stringify(filled));
  return filled;
}

async function measureAll(databaseUrl: string, filled: Filled, wanted: LogBenchOptions): Promise<void> {
  const pool = (role: 'application' | 'login') =>
    createPool({ databaseUrl, role, maxConnections: 1, applicationName: 'bench' });
  const [application, login] = [pool('application'), pool('login')];
  try {
    if (wanted.explain) await printPlans(application, login, filled.log, say);
    const draw = createDraw(filled.log, await samplesOf(login), filled.nowMs);
    const measured: Measured[] = [];
    for (const query of LOG_QUERIES) {
      measured.push(await measureQuery(application, filled.log.organizationId, query, draw, wanted.runs));
      const { name, p50Ms, p95Ms, rows, refused } = measured.at(-1)!;
      say(
        `${name.padEnd(52)} p50 ${p50Ms.toFixed(1).padStart(8)}  p95 ${p95Ms.toFixed(1).padStart(8)} ms  ${rows.toFixed(1)} rows${refused > 0 ? `, ${refused} refused` : ''}`,
      );
    }
    await report(login, filled, measured, wanted);
  } finally {
    await application.destroy();
    await login.destroy();
  }
}

async function samplesOf(db: Db): Promise<ReturnType<Draw['sample']>[]> {
  const { rows } = await sql<{ trace_id: string; unit: string; created_at: Date }>`
    SELECT trace_id, unit, created_at FROM inferences TABLESAMPLE SYSTEM (1) LIMIT 500`.execute(db);
  return rows.map((row) => ({ traceId: row.trace_id, unit: row.unit, createdAt: row.created_at }));
}

async function report(db: Db, filled: Filled, measured: readonly Measured[], wanted: LogBenchOptions): Promise<void> {
  const sizes = await sizesOf(db);
  const machine = await describeMachine();
  const done = {
    ...{ at: new Date().toISOString(), ...machine, ...sizes, measured, days: wanted.days, loadAverage: loadavg()[0]! },
    command: `npm run bench:log -- ${process.argv.slice(2).join(' ')}`.trim(),
    ...{ groups: filled.log.groups.length, fillS: filled.fillS, closeS: filled.closeS },
  };
  const section = renderLogSection(done);
  say(`\n${section}\n`);
  if (wanted.dry) return;
  const results = join(import.meta.dirname, '../results');
  await mkdir(results, { recursive: true });
  await writeFile(join(results, `${logNameOf(done)}.json`), `${JSON.stringify(done, null, 2)}\n`);
  await addSection(section);
}

async function sizesOf(db: Db) {
  const { rows: counts } = await sql<{
    rows: number;
    bodies: number;
    partitions: number;
    bytes: number;
    version: string;
  }>`
    SELECT (SELECT count(*) FROM inferences) AS rows, (SELECT count(*) FROM inference_payloads) AS bodies,
      (SELECT count(*) FROM pg_partition_tree('inferences') WHERE isleaf) AS partitions,
      (SELECT sum(pg_table_size(relid))::bigint FROM pg_stat_user_tables WHERE relname LIKE 'inference%') AS bytes,
      current_setting('server_version') AS version`.execute(db);
  // Every partition has its own index; which they are is told by how they begin.
  const { rows: indexes } = await sql<{ name: string; bytes: number }>`
    SELECT CASE WHEN amname = 'gin' AND relname LIKE 'search%' THEN 'full text' WHEN amname = 'gin' THEN 'metadata'
        WHEN relname LIKE 'latency%' THEN 'latency' WHEN indexdef LIKE '%md5(unit)%' THEN 'unit' WHEN indexdef LIKE '%(trace_id)%' THEN 'trace'
        WHEN indexdef LIKE '%(key_id%' THEN 'key' WHEN indexdef LIKE '%WHERE%' THEN 'trouble' ELSE 'primary key' END AS name,
      sum(pg_relation_size(oid))::bigint AS bytes
    FROM (SELECT built.oid, built.relname, amname, pg_get_indexdef(built.oid) AS indexdef FROM pg_class AS built JOIN pg_index ON indexrelid = built.oid
      JOIN pg_am ON pg_am.oid = built.relam JOIN pg_class AS heap ON heap.oid = indrelid
      WHERE built.relkind = 'i' AND heap.relname LIKE 'inference%') AS named GROUP BY 1 ORDER BY 1`.execute(db);
  const [found] = counts;
  return {
    ...{ rows: found!.rows, bodies: found!.bodies, partitions: found!.partitions, tableBytes: found!.bytes },
    postgres: found!.version,
    indexBytes: Object.fromEntries(indexes.map(({ name, bytes }) => [name, bytes])),
  };
}
