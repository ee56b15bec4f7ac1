import type { Pool } from 'pg';
import { unixMsOfId } from '#core/ids.ts';
import type { InferenceRow } from '../record.ts';

/** The rows of one partition, and how its two tables are called. */
export interface PartitionRows {
  readonly inferences: string;
  readonly payloads: string;
  readonly rows: InferenceRow[];
}

/** Creates partitions just before the first row that needs them, outside its transaction: attaching one takes locks. */
export interface Partitions {
  /** The rows by partition; each partition is there. */
  split(rows: readonly InferenceRow[]): Promise<readonly PartitionRows[]>;
  /** One of them has been dropped since: ask for them all again. */
  forget(): void;
}

const MS_PER_DAY = 86_400_000;
/** 1 January 1970 was a Thursday; ISO weeks start on Monday. */
const DAYS_BEFORE_THURSDAY = 3;
const MAX_KNOWN = 100_000;

export function createPartitions(pool: Pool): Partitions {
  /** What the names of a partition's tables end with, by group and week. */
  const suffixes = new Map<string, string>();

  const provision = async (groupId: string, unixMs: number) => {
    const { rows } = await pool.query<{ suffix: string }>('SELECT provision_partition($1, $2) AS suffix', [
      groupId,
      new Date(unixMs),
    ]);
    return rows[0]!.suffix;
  };

  return {
    async split(rows) {
      const found = new Map<string, PartitionRows>();
      for (const row of rows) {
        const { groupId } = row.begin;
        const unixMs = unixMsOfId(row.id);
        const key = `${groupId}/${Math.floor((unixMs / MS_PER_DAY + DAYS_BEFORE_THURSDAY) / 7)}`;
        const known = found.get(key);
        if (known !== undefined) {
          known.rows.push(row);
          continue;
        }
        const suffix = suffixes.get(key) ?? (await provision(groupId, unixMs));
        if (suffixes.size >= MAX_KNOWN) suffixes.clear();
        suffixes.set(key, suffix);
        found.set(key, { inferences: `inferences_${suffix}`, payloads: `inference_payloads_${suffix}`, rows: [row] });
      }
      return [...found.values()];
    },
    forget: () => suffixes.clear(),
  };
}
