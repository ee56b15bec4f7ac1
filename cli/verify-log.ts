import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Finding, LogReport, VerifiedEntry } from '#inference-log/verify/report.ts';
import { requireSchema } from './commands.ts';
import { print, printProgress } from './output.ts';
import type { Settings } from './settings.ts';
import { findLog } from './up/embedded.ts';
import { UsageError } from './usage-error.ts';

const MAX_IDS = 20;
/** A line of progress this often at most, and none for a short run. */
const PROGRESS_MS = 2_000;

/**
 * `ringside verify-log [--group <name or id>] [--json] [--ids <n>]`: recomputes the ledger from the spools of
 * RINGSIDE_DATA_DIR and the tables of DATABASE_URL, or of the running `ringside up` there. Reads only. Ends with 1 when there is a gap.
 */
export async function verifyLogCommand(settings: Settings, args: readonly string[]): Promise<void> {
  const { json, group, maxIds } = parseArguments(args);
  const { databaseUrl } = await findLog(settings);
  await requireSchema(databaseUrl);
  const { openAudit } = await import('#store/log-audit.ts');
  const { verifyLog } = await import('#inference-log/verify/verify-log.ts');
  const db = openAudit(databaseUrl);
  try {
    const report = await verifyLog({
      ...{
        db,
        group,
        maxIds,
        spoolRoot: join(settings.dataFolder, 'spool'),
        rowsElsewhere: settings.clickhouse !== undefined,
      },
      onProgress: sparing(printProgress),
    });
    print(json ? JSON.stringify(report, null, 2) : describeReport(report));
    if (report.findings.some(({ gap }) => gap)) process.exitCode = 1;
  } finally {
    await db.destroy();
  }
}

function parseArguments(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { json: { type: 'boolean' }, group: { type: 'string' }, ids: { type: 'string' } },
    });
    const maxIds = values.ids === undefined ? MAX_IDS : Number(values.ids);
    if (!Number.isSafeInteger(maxIds) || maxIds < 0) throw new Error('--ids takes a number');
    return { json: values.json ?? false, group: values.group, maxIds };
  } catch (error) {
    throw new UsageError(`verify-log: ${(error as Error).message}`);
  }
}

function sparing(tell: (line: string) => void): (text: string) => void {
  let toldMs = performance.now();
  return (text) => {
    if (performance.now() - toldMs < PROGRESS_MS) return;
    toldMs = performance.now();
    tell(`verify-log: ${text}`);
  };
}

/** The report as a table and a list. */
export function describeReport(report: LogReport): string {
  const gaps = report.findings.filter(({ gap }) => gap);
  const notes = report.findings.filter(({ gap }) => !gap);
  const { seen, bytes } = report.spools;
  const rows = report.entries.reduce((sum, entry) => sum + entry.rows, 0);
  return [
    table(report.entries),
    '',
    ...(gaps.length === 0 ? [] : ['Gaps:', ...gaps.flatMap(describeFinding), '']),
    ...(notes.length === 0 ? [] : ['Worth knowing:', ...notes.flatMap(describeFinding), '']),
    ...(report.rowsCompared
      ? []
      : ['Rows go to ClickHouse and were not compared: only ledger, rollups and spools were.', '']),
    `${rows} rows and ${seen} spools (${bytes} bytes) looked through: ` +
      (gaps.length === 0 ? 'no gap' : `${gaps.length} ${gaps.length === 1 ? 'gap' : 'gaps'}`),
  ].join('\n');
}

const COLUMNS: readonly (readonly [title: string, of: (entry: VerifiedEntry) => string | number])[] = [
  ['gateway', ({ gatewayId }) => gatewayId],
  ['group', ({ group, groupId }) => group ?? groupId],
  ['accepted', ({ ledger }) => ledger.accepted],
  ['in flight', ({ ledger }) => ledger.inFlight],
  ['interrupted', ({ ledger }) => ledger.interrupted],
  ['stored', ({ ledger }) => ledger.stored],
  ['rows', ({ rows }) => rows],
  ['rollups', ({ rolled }) => rolled],
  ['spooled', ({ ledger }) => ledger.spooled],
  ['in spools here', ({ waiting, open }) => waiting + open],
  ['archived', ({ ledger }) => ledger.archived],
  ['expired', ({ ledger }) => ledger.expired],
  ['dropped', ({ ledger }) => Object.values(ledger.dropped).reduce((sum, count) => sum + count, 0)],
  ['', ({ ledger }) => ledger.balance],
];

function table(entries: readonly VerifiedEntry[]): string {
  const lines = [
    COLUMNS.map(([title]) => title),
    ...entries.map((entry) => COLUMNS.map(([, of]) => String(of(entry)))),
  ];
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const isText = (column: number) => column < 2 || column === COLUMNS.length - 1;
  return lines
    .map((line) =>
      line
        .map((cell, column) => (isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function describeFinding(found: Finding): string[] {
  const place = [
    found.gatewayId === null ? [] : `gateway ${found.gatewayId}`,
    found.groupId === null ? [] : `group ${found.groupId}`,
    found.spoolId === null ? [] : `spool ${found.spoolId}`,
  ].flat();
  const count = found.count === 0 ? '' : ` (${found.count})`;
  const more =
    found.count > found.ids.length && found.ids.length > 0 ? [`    … ${found.count - found.ids.length} more`] : [];
  return [
    `  ${found.kind}${count}: ${found.detail}`,
    `    ${place.join(', ')}`,
    ...found.ids.map((id) => `    ${id}`),
    ...more,
  ];
}
