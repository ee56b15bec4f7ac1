import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { ArchiveSettings, ArchiveStorage } from '#inference-log/archive/storage.ts';
import type { ArchiveRow } from '#store/archives.ts';
import type { Db } from '#store/pool.ts';
import { type ArchiveView, archiveView, tableOf } from './archive-view.ts';
import { createLog, print } from './output.ts';
import { type Settings, SettingsError } from './settings.ts';
import { CommandError } from './start-failure.ts';
import { findLog } from './up/embedded.ts';
import { UsageError } from './usage-error.ts';

const USAGE = `usage: ringside archive <sub-command>
  list [--group <name or id>] [--json]           what has been archived
  verify [<id> …] [--group <name or id>] [--json]  reads files back and compares them; all of them without an id
  restore <id> [--days <n>] [--json]             brings rows back, and keeps them from retention for n days (7)
The database is that of DATABASE_URL, else the running one of \`ringside up\` in RINGSIDE_DATA_DIR (.ringside).`;

const MAX_DAYS = 36_500;
const PROGRESS_MS = 2_000;

interface Found extends ArchiveRow {
  readonly group: string;
}

type SubCommand = 'list' | 'verify' | 'restore';

interface Call {
  readonly db: Db;
  /** Where the archives are; undefined: not set. */
  readonly place: ArchiveSettings | undefined;
  readonly ids: readonly string[];
  readonly group: string | undefined;
  readonly days: number;
  readonly json: boolean;
}

/** `ringside archive …`: needs the database, and where the archives are unless it only lists. */
export async function archive(settings: Settings, args: readonly string[]): Promise<void> {
  const { command, ...call } = parse(args);
  const { databaseUrl, archive: place } = await findLog(settings);
  const { createPool } = await import('#store/pool.ts');
  const db = createPool({
    databaseUrl,
    role: 'leader',
    maxConnections: 1,
    applicationName: 'ringside archive',
  });
  try {
    await COMMANDS[command]({ db, place, ...call });
  } finally {
    await db.destroy();
  }
}

const COMMANDS: Readonly<Record<SubCommand, (call: Call) => Promise<void>>> = { list, verify, restore };

function parse(args: readonly string[]): Omit<Call, 'db' | 'place'> & { readonly command: SubCommand } {
  const options = { group: { type: 'string' }, days: { type: 'string' }, json: { type: 'boolean' } } as const;
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true; args: string[] }>>;
  try {
    parsed = parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`);
  }
  const { values, positionals } = parsed;
  const [command, ...ids] = positionals;
  if (command !== 'list' && command !== 'verify' && command !== 'restore') throw new UsageError(USAGE);
  if (command === 'list' && ids.length > 0) throw new UsageError(`list takes no argument "${ids[0]}"\n${USAGE}`);
  if (command === 'restore' && ids.length !== 1) throw new UsageError(`restore takes one id\n${USAGE}`);
  const days = Number(values.days ?? 7);
  if (!Number.isInteger(days) || days < 1 || days > MAX_DAYS) {
    throw new UsageError(`--days: must be an integer from 1 to ${MAX_DAYS}`);
  }
  return { command, ids, group: values.group, days, json: values.json ?? false };
}

async function list({ db, group, json }: Call): Promise<void> {
  const { listArchives } = await import('#store/archives.ts');
  const views = (await listArchives(db, { group })).map(archiveView);
  if (json) print(JSON.stringify(views, null, 2));
  else for (const line of tableOf(views)) print(line);
}

/** Ends with 1 when a file is not what it was, or cannot be read at the moment. */
async function verify(call: Call): Promise<void> {
  const { db, group, json } = call;
  const { listArchives } = await import('#store/archives.ts');
  const { expectedOf, readBack } = await import('#inference-log/archive/read-back.ts');
  const { ArchiveMissingError } = await import('#inference-log/archive/missing.ts');
  const { reasonOf } = await import('#core/reason.ts');
  const storage = await storageOf(call.place);
  const all = (await listArchives(db, { group })).filter(({ state }) => state !== 'writing' && state !== 'damaged');
  const wanted = call.ids.length === 0 ? all : call.ids.map((id) => pick(all, id));
  const results: (ArchiveView & { readonly whole: boolean; readonly reason: string | null })[] = [];
  for (const found of wanted) {
    const result = await readBack(storage, expectedOf(found)).catch((error: unknown) => {
      const kind = error instanceof ArchiveMissingError ? 'damaged' : 'unread';
      return { kind, reason: reasonOf(error) } as const;
    });
    const reason = result.kind === 'whole' ? null : result.reason;
    results.push({ ...archiveView(found), whole: reason === null, reason });
    const verdict = result.kind === 'damaged' ? 'DAMAGED' : 'NOT READ';
    if (!json) print(`${found.id}  ${reason === null ? 'whole' : `${verdict}: ${reason}`}`);
  }
  if (json) print(JSON.stringify(results, null, 2));
  else if (results.length === 0) print('no archives');
  if (results.some(({ whole }) => !whole)) process.exitCode = 1;
}

async function restore(call: Call): Promise<void> {
  const { db, days, json } = call;
  const { listArchives } = await import('#store/archives.ts');
  const { restoreArchive } = await import('#inference-log/archive/restore-archive.ts');
  const storage = await storageOf(call.place);
  const found = pick(await listArchives(db, { group: call.group }), call.ids[0]!);
  if (found.state !== 'dropped' && found.state !== 'restored') {
    throw new CommandError(`archive ${found.id} is ${found.state}: there is no dropped partition to restore from it`);
  }
  const log = createLog('archive');
  let toldAt = performance.now();
  const onProgress = (rows: number) => {
    if (performance.now() - toldAt < PROGRESS_MS) return;
    toldAt = performance.now();
    log(`${rows} of ${found.row_count} rows loaded`);
  };
  const how = { days, actor: 'command-line', requestId: randomUUID() };
  const { counts, attached } = await restoreArchive({ db, storage, random: Math.random, onProgress }, found, how);
  const rows = counts.reduce((sum, count) => sum + count.rows, 0);
  if (json) print(JSON.stringify({ id: found.id, group: found.group, rows, attached, days }, null, 2));
  else {
    const place = attached
      ? 'as their partition'
      : `into partitions that are there (${found.row_count! - rows} were in them)`;
    print(`restored ${rows} rows of group ${found.group}, ${place}; retention leaves them alone for ${days} days`);
  }
}

async function storageOf(place: ArchiveSettings | undefined): Promise<ArchiveStorage> {
  if (place === undefined) {
    throw new SettingsError('neither RINGSIDE_ARCHIVE_DIR nor RINGSIDE_ARCHIVE_URL is set: where are the archives?');
  }
  const { createArchiveStorage } = await import('#inference-log/archive/storage.ts');
  return createArchiveStorage(place);
}

/** The archive with this id, or with the only one that begins so. */
function pick(archives: readonly Found[], id: string): Found {
  const matching = id === '' ? [] : archives.filter((found) => found.id.startsWith(id));
  if (matching.length === 1) return matching[0]!;
  throw new CommandError(
    matching.length === 0
      ? `there is no such archive: ${id}; see ringside archive list`
      : `${id} is not one archive but ${matching.length}`,
  );
}
