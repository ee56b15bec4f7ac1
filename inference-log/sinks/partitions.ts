import { sql } from 'kysely';
import { unixMsOfId } from '#core/ids.ts';
import type { Db } from '#store/pool.ts';
import type { InferenceRow } from '../record.ts';
import { createdAtOf } from './columns.ts';

/** Creates partitions just before the first row that needs them, outside its transaction: attaching one takes locks. */
export interface Partitions {
  ensure(rows: readonly InferenceRow[]): Promise<void>;
  /** One of them has been dropped since: ask for them all again. */
  forget(): void;
}

const MS_PER_DAY = 86_400_000;
/** 1 January 1970 was a Thursday; ISO weeks start on Monday. */
const DAYS_BEFORE_THURSDAY = 3;
const MAX_KNOWN = 100_000;

export function createPartitions(db: Db): Partitions {
  const known = new Set<string>();
  return {
    async ensure(rows) {
      for (const { id, begin } of rows) {
        const week = Math.floor((unixMsOfId(id) / MS_PER_DAY + DAYS_BEFORE_THURSDAY) / 7);
        const key = `${begin.groupId}/${week}`;
        if (known.has(key)) continue;
        await sql`SELECT provision_partition(${begin.groupId}::uuid, ${createdAtOf(id)}::timestamptz)`.execute(db);
        if (known.size >= MAX_KNOWN) known.clear();
        known.add(key);
      }
    },
    forget: () => known.clear(),
  };
}
