import { type PageBound, readPartition } from '#store/archive-rows.ts';
import type { ArchiveContents } from '#store/archives.ts';
import type { ArchiveColumns } from '#store/database.ts';
import type { Partition } from '#store/partitions.ts';
import type { Db } from '#store/pool.ts';
import { createByteDigest, createRowTally } from './digest.ts';
import type { ArchiveFormat, ArchivePage } from './format.ts';
import type { ArchiveStorage } from './storage.ts';

/** A page is in memory a few times over: as the driver's text, as lines, compressed. */
const PAGE: PageBound = { rows: 1_000, bytes: 8 * 1024 * 1024 };

export interface WriteArchiveDeps {
  /** Of the role `leader`. */
  readonly db: Db;
  readonly storage: ArchiveStorage;
  readonly page?: PageBound;
}

/** Writes a partition to a file as it streams by. @throws database and storage errors; no file is there then */
export async function writeArchive(
  { db, storage, page = PAGE }: WriteArchiveDeps,
  partition: Partition,
  file: { readonly format: ArchiveFormat; readonly location: string; readonly signal: AbortSignal },
): Promise<ArchiveContents> {
  const digest = createByteDigest();
  const tally = createRowTally(partition);
  let columns: ArchiveColumns = { inferences: [], payloads: [] };
  let payloads = 0;
  async function* counted(): AsyncGenerator<ArchivePage> {
    for await (const read of readPartition(db, partition, page)) {
      file.signal.throwIfAborted();
      columns = read.columns;
      for (const { row, payload } of read.rows) {
        tally.add(row);
        if (payload !== null) payloads++;
      }
      yield read;
    }
  }
  await storage.write(file.location, digest.watch(file.format.encode(counted())));
  return { counts: tally.counts(), columns, rows: tally.rows, payloads, ...digest.result() };
}
