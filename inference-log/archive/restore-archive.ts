import {
  abandonRestore,
  beginRestore,
  createLineLoader,
  finishRestore,
  type Restored,
} from '#store/archive-restore.ts';
import type { ArchiveRow } from '#store/archives.ts';
import { retryContention } from '#store/contention.ts';
import type { Db } from '#store/pool.ts';
import { ArchiveDamagedError } from './archivist.ts';
import { expectedOf, readBack } from './read-back.ts';
import type { ArchiveStorage } from './storage.ts';

/** Lines are sent to the database in batches of about this many characters. */
const BATCH_CHARACTERS = 4 * 1024 * 1024;

export interface RestoreArchiveDeps {
  /** Of the role `leader`. */
  readonly db: Db;
  readonly storage: ArchiveStorage;
  /** In [0, 1). */
  readonly random: () => number;
  readonly onProgress?: (rows: number) => void;
}

/**
 * Brings an archive's rows back: into tables of their own, checking the file on the way, then into the log in one
 * transaction. Rows that are there already stay as they are, so that it may be repeated, also after a crash.
 * @throws ArchiveDamagedError, with nothing changed; database and storage errors
 */
export async function restoreArchive(
  deps: RestoreArchiveDeps,
  archive: ArchiveRow,
  how: { readonly days: number; readonly actor: string; readonly requestId: string },
): Promise<Restored> {
  const { db, storage } = deps;
  const expected = expectedOf(archive);
  const tables = await beginRestore(db, archive.id);
  try {
    const load = await createLineLoader(db, tables, archive.columns!);
    let rows = 0;
    let batch: string[] = [];
    let characters = 0;
    const flush = async () => {
      if (batch.length === 0) return;
      await load(batch);
      rows += batch.length;
      batch = [];
      characters = 0;
      deps.onProgress?.(rows);
    };
    const result = await readBack(storage, expected, async (lines) => {
      for (const line of lines) {
        batch.push(line);
        characters += line.length;
        if (characters >= BATCH_CHARACTERS) await flush();
      }
    });
    if (result.kind === 'damaged') throw new ArchiveDamagedError(`${expected.location} is damaged: ${result.reason}`);
    await flush();
    return await retryContention(() => finishRestore(db, archive.id, how), deps.random);
  } catch (error) {
    await abandonRestore(db, archive.id).catch(() => undefined); // the next restore drops it; the first error tells more
    throw error;
  }
}
