import { type Selectable, sql } from 'kysely';
import type { ArchiveColumns, Database, RowCount } from './database.ts';
import type { Partition } from './partitions.ts';
import type { Db } from './pool.ts';

export type ArchiveRow = Selectable<Database['archives']>;
export type ArchiveFormatName = ArchiveRow['format'];

/** What is known of an archive once it is written. */
export interface ArchiveContents {
  readonly counts: readonly RowCount[];
  readonly columns: ArchiveColumns;
  readonly rows: number;
  readonly payloads: number;
  readonly bytes: number;
  /** Hexadecimal, of the whole file. */
  readonly sha256: string;
}

interface NewArchive {
  readonly id: string;
  readonly organizationId: string;
  readonly format: ArchiveFormatName;
  /** The file's name below the archive's root. */
  readonly location: string;
}

/** Says that an archive of a partition is being written. Everything here is for the role `leader`. */
export async function insertArchive(db: Db, partition: Partition, archive: NewArchive): Promise<void> {
  await db
    .insertInto('archives')
    .values({
      id: archive.id,
      organization_id: archive.organizationId,
      group_id: partition.groupId,
      starts_at: partition.startsAt,
      ends_at: partition.endsAt,
      format: archive.format,
      location: archive.location,
      counts: null,
      columns: null,
      row_count: null,
      payload_count: null,
      file_bytes: null,
      file_sha256: null,
      restored_until: null,
    })
    .execute();
}

/**
 * Says what a written archive holds, and that it was read back whole.
 * @returns false when its row is gone: another leader has taken the writing of this partition over
 */
export async function markVerified(db: Db, id: string, contents: ArchiveContents): Promise<boolean> {
  const [updated] = await db
    .updateTable('archives')
    .set({
      state: 'verified',
      counts: JSON.stringify(contents.counts),
      columns: JSON.stringify(contents.columns),
      row_count: contents.rows,
      payload_count: contents.payloads,
      file_bytes: contents.bytes,
      file_sha256: contents.sha256,
      updated_at: sql`now()`,
    })
    .where('id', '=', id)
    .where('state', '=', 'writing')
    .execute();
  return updated!.numUpdatedRows === 1n;
}

/** Says that an archive's file is not what was written. */
export async function markDamaged(db: Db, id: string): Promise<void> {
  await db.updateTable('archives').set({ state: 'damaged', updated_at: sql`now()` }).where('id', '=', id).execute();
}

/**
 * Forgets an archive that no partition was dropped for.
 *  false when it is not in that state any more: then another leader has come to use it, and its files must stay
 */
export async function deleteArchive(db: Db, archive: ArchiveRow): Promise<boolean> {
  const [deleted] = await db
    .deleteFrom('archives')
    .where('id', '=', archive.id)
    .where('state', '=', archive.state)
    .execute();
  return deleted!.numDeletedRows === 1n;
}

/** The archives of exactly this partition's time, newest first. */
export function archivesOf(db: Db, partition: Partition): Promise<ArchiveRow[]> {
  return db
    .selectFrom('archives')
    .selectAll()
    .where('group_id', '=', partition.groupId)
    .where('starts_at', '=', partition.startsAt)
    .where('ends_at', '=', partition.endsAt)
    .orderBy('created_at', 'desc')
    .execute();
}

/** Archives with their group's name, by group and time; of one group, by name or id, if given. */
export function listArchives(
  db: Db,
  filter: { readonly group: string | undefined },
): Promise<(ArchiveRow & { group: string })[]> {
  return db
    .selectFrom('archives')
    .innerJoin('groups', 'groups.id', 'archives.group_id')
    .selectAll('archives')
    .select('groups.name as group')
    .$if(filter.group !== undefined, (query) =>
      query.where(sql<boolean>`(groups.name = ${filter.group} OR groups.id::text = ${filter.group})`),
    )
    .orderBy('groups.name')
    .orderBy('archives.starts_at')
    .orderBy('archives.created_at')
    .execute();
}

/** The counts in one order, so that equal ones are equal as text. */
export function countsKey(counts: readonly RowCount[]): string {
  return counts
    .map(({ gatewayId, status, outcome, rows, ids }) => `${gatewayId} ${status} ${outcome} ${rows} ${ids}`)
    .sort()
    .join('\n');
}
