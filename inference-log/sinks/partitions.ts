import type { Pool } from 'pg';
import { unixMsOfId } from '#core/ids.ts';
import { retryContention } from '#store/contention.ts';
import type { InferenceRow } from '../record.ts';

/** The rows of one partition, and how its two tables are called. */
export interface PartitionRows {
  readonly inferences: string;
  readonly payloads: string;
  readonly rows: InferenceRow[];
}

export interface SplitRows {
  readonly parts: readonly PartitionRows[];
  /** Rows that retention would have removed by now: they are counted and not stored. */
  readonly expired: readonly InferenceRow[];
}

/** Creates partitions just before the first row that needs them, outside its transaction: attaching one takes locks. */
export interface Partitions {
  /** The rows by partition; each partition is there. */
  split(rows: readonly InferenceRow[]): Promise<SplitRows>;
  /** One of them has been dropped since: ask for them all again. */
  forget(): void;
}

/** What the store said of a moment: the same goes for all of [startMs, endMs). A null suffix: rows of then have expired. */
interface Span {
  readonly suffix: string | null;
  readonly startMs: number;
  readonly endMs: number;
}

const MAX_KNOWN_GROUPS = 10_000;
/** Of one group. More are known for a moment only when a long backlog of many days is shipped. */
const MAX_KNOWN_SPANS = 64;

const ASK = `SELECT suffix, extract(epoch FROM starts_at)::float8 * 1000 AS "startMs",
    extract(epoch FROM ends_at)::float8 * 1000 AS "endMs"
  FROM partition_for($1, $2)`;

/** @param random in [0, 1), for the waits between tries */
export function createPartitions(pool: Pool, random: () => number): Partitions {
  /** Spans with a partition, by group, the last used first. How long one is depends on the policy at its making. */
  const known = new Map<string, Span[]>();

  const ask = async (groupId: string, unixMs: number): Promise<Span> => {
    const { rows } = await retryContention(() => pool.query<Span>(ASK, [groupId, new Date(unixMs)]), random);
    return rows[0]!;
  };

  const remember = (groupId: string, span: Span) => {
    if (!known.has(groupId) && known.size >= MAX_KNOWN_GROUPS) known.clear();
    known.set(groupId, [span, ...(known.get(groupId) ?? [])].slice(0, MAX_KNOWN_SPANS));
  };

  return {
    async split(rows) {
      const found = new Map<string, PartitionRows>();
      const expired: InferenceRow[] = [];
      /** For this batch only: the bound of what has expired moves on, and the policy may change. */
      const gone = new Map<string, Span[]>();
      for (const row of rows) {
        const { groupId } = row.begin;
        const unixMs = unixMsOfId(row.id);
        let span = find(known.get(groupId), unixMs) ?? find(gone.get(groupId), unixMs);
        if (span === undefined) {
          span = await ask(groupId, unixMs);
          if (span.suffix === null) gone.set(groupId, [span, ...(gone.get(groupId) ?? [])]);
          else remember(groupId, span);
        }
        const { suffix } = span;
        if (suffix === null) {
          expired.push(row);
          continue;
        }
        const part = found.get(suffix);
        if (part !== undefined) part.rows.push(row);
        else {
          const [inferences, payloads] = [`inferences_${suffix}`, `inference_payloads_${suffix}`];
          found.set(suffix, { inferences, payloads, rows: [row] });
        }
      }
      return { parts: [...found.values()], expired };
    },
    forget: () => known.clear(),
  };
}

// hot: nearly always the first of a short list
function find(spans: readonly Span[] | undefined, unixMs: number): Span | undefined {
  if (spans === undefined) return undefined;
  for (const span of spans) if (unixMs >= span.startMs && unixMs < span.endMs) return span;
  return undefined;
}
