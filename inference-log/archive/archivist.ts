import { reasonOf } from '#core/reason.ts';
import {
  type ArchiveFormatName,
  type ArchiveRow,
  archivesOf,
  countsKey,
  deleteArchive,
  insertArchive,
  markDamaged,
  markVerified,
} from '#store/archives.ts';
import type { RowCount } from '#store/database.ts';
import { countPartition, type DuePartition } from '#store/partitions.ts';
import type { Db } from '#store/pool.ts';
import { formatOf } from './format.ts';
import { manifestBytes, manifestLocation } from './manifest.ts';
import { expectedOf, readBack } from './read-back.ts';
import type { ArchiveStorage } from './storage.ts';
import { writeArchive } from './write-archive.ts';

/**
 * Sees to it that a partition has an archive that was read back whole.
 *
 *   one that matches and was dropped, restored or verified ──read back──▶ it is used again
 *   none, or no longer whole ──▶ writing ──read back──▶ verified
 *                                   ├──crash──▶ the next leader removes it and begins anew
 *                                   └──not what was written──▶ damaged, and the partition stays; so does the file, to be
 *                                                              looked at, until the next try
 */
export interface Archivist {
  /**
   * @returns the archive's id; undefined when the partition is gone
   * @throws ArchiveDamagedError, database and storage errors
   */
  secure(partition: DuePartition, format: ArchiveFormatName, signal: AbortSignal): Promise<string | undefined>;
}

/** What was written is not what is read. */
export class ArchiveDamagedError extends Error {
  override name = 'ArchiveDamagedError';
}

export interface ArchivistDeps {
  /** Of the role `leader`. */
  readonly db: Db;
  readonly storage: ArchiveStorage;
  /** Gives a new UUID. */
  readonly newId: () => string;
  readonly log: (line: string) => void;
}

export function createArchivist(deps: ArchivistDeps): Archivist {
  const { db, storage, newId, log } = deps;

  const isWhole = async (archive: ArchiveRow): Promise<boolean> => {
    const result = await readBack(storage, expectedOf(archive)).catch((error: unknown) => {
      return { kind: 'damaged', reason: reasonOf(error) } as const;
    });
    if (result.kind === 'whole') return true;
    log(`archive ${archive.id} at ${storage.place} is not used again: ${result.reason}`);
    return false;
  };

  /** Removes what was begun and never used, and gives back what can be used. */
  const settle = async (known: readonly ArchiveRow[], counts: readonly RowCount[]): Promise<string | undefined> => {
    const unused = known.filter(
      (archive) =>
        archive.state === 'writing' ||
        archive.state === 'damaged' || // its copies would fill a disk that stays bad
        (archive.state === 'verified' && countsKey(archive.counts!) !== countsKey(counts)),
    );
    for (const archive of unused) {
      if (await deleteArchive(db, archive)) await removeFiles(storage, archive.location);
    }
    for (const archive of known) {
      if (unused.includes(archive) || archive.counts === null) continue;
      if (countsKey(archive.counts) === countsKey(counts) && (await isWhole(archive))) return archive.id;
    }
    return undefined;
  };

  const write = async (
    partition: DuePartition,
    formatName: ArchiveFormatName,
    signal: AbortSignal,
  ): Promise<string> => {
    const { groupId, organizationId, group } = partition;
    const format = formatOf(formatName);
    const id = newId();
    const location = locationOf(partition, id, format.extension);
    const head = { id, organizationId, group, format: formatName, location };
    await insertArchive(db, partition, head);
    const contents = await writeArchive({ db, storage }, partition, { format, location, signal });
    await storage.write(manifestLocation(location), manifestBytes(head, partition, contents));
    const { startsAt, endsAt } = partition;
    const result = await readBack(storage, { format: formatName, location, groupId, startsAt, endsAt, ...contents });
    if (result.kind === 'damaged') {
      await markDamaged(db, id);
      throw new ArchiveDamagedError(
        `${location} at ${storage.place} was read back and is not what was written: ${result.reason}`,
      );
    }
    if (!(await markVerified(db, id, contents))) {
      await removeFiles(storage, location);
      throw new Error('another leader archives this partition');
    }
    log(`archived ${contents.rows} rows of group ${group} before ${endsAt.toISOString()} to ${location}`);
    return id;
  };

  return {
    async secure(partition, format, signal) {
      const counts = await countPartition(db, partition);
      if (counts === undefined) return undefined;
      return (await settle(await archivesOf(db, partition), counts)) ?? (await write(partition, format, signal));
    },
  };
}

async function removeFiles(storage: ArchiveStorage, location: string): Promise<void> {
  await storage.remove(location);
  await storage.remove(manifestLocation(location));
}

/** `<organization>/<group>/2026-01-05_2026-01-12_<id>.<extension>`: sorted by time where files are listed by name. */
function locationOf(
  { organizationId, groupId, startsAt, endsAt }: DuePartition,
  id: string,
  extension: string,
): string {
  const day = (at: Date) => at.toISOString().slice(0, 10);
  return `${organizationId}/${groupId}/${day(startsAt)}_${day(endsAt)}_${id.slice(0, 8)}.${extension}`;
}
