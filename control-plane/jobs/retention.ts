import { reasonOf } from '#core/reason.ts';
import { createArchivist } from '#inference-log/archive/archivist.ts';
import type { ArchiveStorage } from '#inference-log/archive/storage.ts';
import { retryContention } from '#store/contention.ts';
import { type DuePartition, dropPartition, duePartitions } from '#store/partitions.ts';
import type { Db } from '#store/pool.ts';
import type { Entropy } from '../entropy.ts';
import type { Job } from './scheduler.ts';

/** A shipper that writes to the very partition may win each time; the job comes again. */
const DROP_TRIES = 3;

export interface RetentionJobDeps {
  /** Of the role `leader`. */
  readonly db: Db;
  /** Undefined: none is configured, and groups that want archives keep their partitions. */
  readonly storage: ArchiveStorage | undefined;
  readonly everyMs: number;
  readonly entropy: Entropy;
  readonly random: () => number;
  readonly log: (line: string) => void;
}

/**
 * Drops partitions that have outlived their group's retention, with an archive first where the group wants one. Whatever
 * cannot be archived, or has changed since, stays and is tried again. What is due is asked once for all; since archives take
 * hours, the drop asks again.
 */
export function createRetentionJob(deps: RetentionJobDeps): Job {
  const { db, storage, everyMs, entropy, random, log } = deps;
  const archivist = storage && createArchivist({ db, storage, newId: () => entropy.id(), log });

  const archive = async (due: DuePartition, signal: AbortSignal): Promise<string | null | undefined> => {
    if (due.archive === 'none') return null;
    if (archivist === undefined) {
      throw new Error('it wants an archive, and neither RINGSIDE_ARCHIVE_DIR nor RINGSIDE_ARCHIVE_URL is set');
    }
    return archivist.secure(due, due.archive, signal);
  };

  const drop = async (due: DuePartition, signal: AbortSignal): Promise<void> => {
    const archiveId = await archive(due, signal);
    if (archiveId === undefined) return;
    const requestId = entropy.id();
    const counts = await retryContention(() => dropPartition(db, due, { archiveId, requestId }), random, DROP_TRIES);
    if (counts === undefined) return;
    const rows = counts.reduce((sum, count) => sum + count.rows, 0);
    const how = archiveId === null ? 'expired' : `kept in archive ${archiveId}`;
    log(`dropped the partition of group ${due.group} before ${due.endsAt.toISOString()}: ${rows} rows, ${how}`);
  };

  return {
    name: 'retention',
    everyMs,
    async run(signal) {
      const failures: string[] = [];
      for (const due of await duePartitions(db)) {
        if (signal.aborted) return;
        try {
          await drop(due, signal);
        } catch (error) {
          if (signal.aborted) return;
          failures.push(`group ${due.group} (${due.suffix}): ${reasonOf(error)}`); // the others must not wait for it
        }
      }
      if (failures.length > 0) throw new Error(`partitions stay that should go: ${failures.join('; ')}`);
    },
  };
}
