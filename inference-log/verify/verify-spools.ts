import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isUuid, unixMsOfId } from '#core/ids.ts';
import { presentIds, scanSegmentNow, spoolCursors } from '#store/log-audit.ts';
import type { Db, Tx } from '#store/pool.ts';
import { type SpoolCursor, UNKNOWN_GROUP } from '../spool.ts';
import { isMissing, listSegments, readSpoolGateway, type Segment } from '../spool-folder.ts';
import { type Counts, createCounts } from './counts.ts';
import { type DeadLetterHead, readDeadLetters } from './read-dead-letters.ts';
import { type Finding, finding } from './report.ts';
import { checkCursor, type ShippedInference, type SpoolContents, scanSpool } from './scan-spool.ts';

/** A spool folder as it was listed. */
export interface ListedSpool {
  readonly spoolId: string;
  readonly gatewayId: string;
  readonly segments: readonly Segment[];
}

/** What the spools of a folder hold, by gateway and group. */
export interface SpoolHoldings {
  readonly waiting: Counts;
  readonly open: Counts;
  readonly findings: readonly Finding[];
  /** Spools that were read whole and that the store does not know as finished, by gateway. */
  readonly unfinished: ReadonlyMap<string, number>;
  readonly bytes: number;
}

export interface VerifySpoolsOptions {
  readonly db: Db;
  /** On `db`, at one moment. */
  readonly tx: Tx;
  readonly root: string;
  /** Listed before the transaction began, so that whatever its cursors stand in is among them. */
  readonly listed: readonly ListedSpool[];
  /** Which groups are of interest. */
  readonly isWanted: (groupId: string) => boolean;
  /** How many ids a finding names. */
  readonly maxIds: number;
  readonly chunkBytes?: number;
  readonly onProgress: (text: string) => void;
}

const LOOKED_UP_AT_ONCE = 2_000;
const BYTES_PER_MB = 1_048_576;

/** The spools under a root; none when there is no such folder. Reads directories and each spool's `meta.json` only. */
export async function listSpools(root: string): Promise<ListedSpool[]> {
  const spools: ListedSpool[] = [];
  for (const spoolId of (await namesIn(root)).filter(isUuid).sort()) {
    const folder = join(root, spoolId);
    const segments = await listSegments(folder);
    if (segments === undefined) continue;
    spools.push({ spoolId, segments, gatewayId: (await readSpoolGateway(folder)) ?? UNKNOWN_GROUP });
  }
  return spools;
}

/** Reads the spools of a folder and looks up what should be stored of them. */
export async function verifySpools(options: VerifySpoolsOptions): Promise<SpoolHoldings> {
  const { tx, root, listed } = options;
  const cursors = new Map((await spoolCursors(tx)).map((row) => [row.id, row]));
  const deadLetters = await readDeadLetters(root);
  const [waiting, open] = [createCounts(), createCounts()];
  const findings: Finding[] = [];
  const unfinished = new Map<string, number>();
  const totalBytes = listed.reduce((sum, { segments }) => sum + bytesOf(segments), 0);
  let readBytes = 0;
  for (const [index, spool] of listed.entries()) {
    const { gatewayId } = spool;
    const row = cursors.get(spool.spoolId);
    const read = await readSpool(options, spool, row, deadLetters, (bytes) => {
      readBytes += bytes;
      const place = `spool ${index + 1} of ${listed.length}`;
      options.onProgress(`${place}, ${megabytes(readBytes)} of ${megabytes(totalBytes)} MB`);
    });
    if (read === undefined) continue;
    findings.push(...read.findings);
    for (const [groupId, count] of read.contents.waiting) waiting.add(gatewayId, groupId, count);
    for (const groupId of read.contents.open.values()) open.add(gatewayId, groupId, 1);
    if (read.isWhole && row?.finished !== true) unfinished.set(gatewayId, (unfinished.get(gatewayId) ?? 0) + 1);
  }
  findings.push(...namedLetters(deadLetters, options));
  return { waiting, open, findings, unfinished, bytes: totalBytes };
}

/** `isWhole`: nothing of it was stored and removed while we read. Undefined: all of it was. */
async function readSpool(
  options: VerifySpoolsOptions,
  spool: ListedSpool,
  row: Awaited<ReturnType<typeof spoolCursors>>[number] | undefined,
  deadLetters: ReadonlyMap<string, DeadLetterHead>,
  onRead: (bytes: number) => void,
) {
  const { spoolId, gatewayId } = spool;
  const folder = join(options.root, spoolId);
  const segments = await listSegments(folder);
  if (segments === undefined) return undefined;
  const cursor: SpoolCursor | undefined = row && {
    scan: { segment: row.scan_segment, offset: row.scan_offset },
    shipped: { segment: row.shipped_segment, offset: row.shipped_offset },
  };
  const lookUp = createLookUp(options, spool, deadLetters);
  const contents = await scanSpool({
    ...{ folder, spoolId, gatewayId, segments, cursor, onShipped: lookUp.add, onRead },
    ...(options.chunkBytes === undefined ? {} : { chunkBytes: options.chunkBytes }),
  });
  // A segment may have been begun, stored and removed between our looks at the folder: then the cursor has moved on.
  const isWhole = (await scanSegmentNow(options.db, spoolId)) === cursor?.scan.segment;
  const suspected = cursor === undefined || !isWhole ? [] : checkCursor(spool, cursor, spool.segments, segments);
  const findings = [
    ...suspected,
    ...(await lookUp.finish()),
    ...contents.findings,
    ...namedOpen(options, spool, contents),
  ];
  return { contents, findings, isWhole };
}

function namedOpen({ isWanted, maxIds }: VerifySpoolsOptions, spool: ListedSpool, { open }: SpoolContents): Finding[] {
  const { spoolId, gatewayId } = spool;
  const wanted = [...open].filter(([, groupId]) => isWanted(groupId));
  return [...Map.groupBy(wanted, ([, groupId]) => groupId)].map(([groupId, some]) => {
    const ids = some.slice(0, maxIds).map(([id]) => id);
    const detail = 'begun and not ended: in flight, or to become interrupted rows';
    return finding('begin_without_end', detail, { gatewayId, groupId, spoolId, ids, count: some.length });
  });
}

/** Looks inferences up in the tables, many at once, and names those without a row. */
function createLookUp(
  { tx, isWanted, maxIds }: VerifySpoolsOptions,
  { spoolId, gatewayId }: ListedSpool,
  deadLetters: ReadonlyMap<string, DeadLetterHead>,
) {
  let pending: ShippedInference[] = [];
  const missing = new Map<string, string[]>();
  const flush = async () => {
    const wanted = pending;
    pending = [];
    for (const [groupId, inferences] of Map.groupBy(wanted, (inference) => inference.groupId)) {
      const ids = inferences.map(({ id }) => id);
      const times = ids.map(unixMsOfId);
      const [from, to] = [Math.min(...times), Math.max(...times)];
      const present = await presentIds(tx, groupId, ids, new Date(from), new Date(to));
      const absent = ids.filter((id) => !present.has(id) && !deadLetters.has(id));
      if (absent.length > 0) missing.set(groupId, [...(missing.get(groupId) ?? []), ...absent]);
    }
  };
  return {
    async add(inference: ShippedInference) {
      if (!isWanted(inference.groupId)) return;
      pending.push(inference);
      if (pending.length >= LOOKED_UP_AT_ONCE) await flush();
    },
    async finish(): Promise<Finding[]> {
      await flush();
      return [...missing].map(([groupId, ids]) => {
        const detail = 'the cursor says that they are stored, and they have no row';
        const named = { ids: ids.slice(0, maxIds), count: ids.length };
        return finding('shipped_row_missing', detail, { gatewayId, groupId, spoolId, ...named });
      });
    },
  };
}

function namedLetters(
  letters: ReadonlyMap<string, DeadLetterHead>,
  { isWanted, maxIds }: VerifySpoolsOptions,
): Finding[] {
  const wanted = [...letters.values()].filter(({ groupId }) => isWanted(groupId));
  const kinds = Map.groupBy(wanted, ({ gatewayId, groupId, reason }) => `${gatewayId} ${groupId} ${reason}`);
  return [...kinds.values()].map((some) => {
    const { gatewayId, groupId, spoolId, reason } = some[0]!;
    const ids = some.slice(0, maxIds).map(({ id }) => id);
    return finding('dead_letter', reason, { gatewayId, groupId, spoolId, ids, count: some.length });
  });
}

function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}

function megabytes(bytes: number): string {
  return (bytes / BYTES_PER_MB).toFixed(0);
}

async function namesIn(root: string): Promise<string[]> {
  try {
    return await readdir(root);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
