import { type RawBuilder, sql } from 'kysely';

/** What a list of inferences can be sorted by. */
export const INFERENCE_SORTS = ['time', 'latency', 'tokens', 'cost'] as const;
export type InferenceSort = (typeof INFERENCE_SORTS)[number];

/** A place in a sorted list: the row itself, and its value where it is sorted by one. */
export interface InferencePlace {
  readonly createdAt: Date;
  readonly id: string;
  /** Null when the list is sorted by time. */
  readonly value: number | null;
}

export interface InferenceOrder {
  readonly sort: InferenceSort;
  readonly direction: 'asc' | 'desc';
}

export const NEWEST_FIRST: InferenceOrder = { sort: 'time', direction: 'desc' };

/** The value that a row is sorted by; null for time. Inferences without usage count as 0 tokens, those without a price as free. */
const VALUES: Readonly<Record<InferenceSort, string | null>> = {
  time: null,
  latency: 'row.total_ns',
  tokens: '(coalesce(row.input_tokens, 0) + coalesce(row.output_tokens, 0))',
  cost: 'coalesce(row.cost_micro_usd, 0)',
};

/** `ORDER BY` of a list; the id settles what is equal. `row` is the name of the table. */
export function orderBy({ sort, direction }: InferenceOrder): RawBuilder<unknown> {
  const value = VALUES[sort];
  const columns = [...(value === null ? [] : [value]), 'row.created_at', 'row.id'];
  return sql.raw(columns.map((column) => `${column} ${direction}`).join(', '));
}

/** What is behind a place. The plain bound on the first column is what an index and the pruning of partitions can use. */
export function behind({ sort, direction }: InferenceOrder, place: InferencePlace): RawBuilder<unknown>[] {
  const [within, beyond] = direction === 'desc' ? ['<=', '<'] : ['>=', '>'];
  const value = VALUES[sort];
  if (value === null) {
    return [
      sql`row.created_at ${sql.raw(within)} ${place.createdAt}`,
      sql`(row.created_at, row.id) ${sql.raw(beyond)} (${place.createdAt}, ${place.id}::uuid)`,
    ];
  }
  return [
    sql`${sql.raw(value)} ${sql.raw(within)} ${place.value}::bigint`,
    sql`(${sql.raw(value)}, row.created_at, row.id) ${sql.raw(beyond)} (${place.value}::bigint, ${place.createdAt}, ${place.id}::uuid)`,
  ];
}

/** The value that a row of `inferences` is sorted by, as the database computes it. */
export function placeOf(
  { sort }: InferenceOrder,
  row: {
    readonly created_at: Date;
    readonly id: string;
    readonly total_ns: number;
    readonly input_tokens: number | null;
    readonly output_tokens: number | null;
    readonly cost_micro_usd: number | null;
  },
): InferencePlace {
  const place = { createdAt: row.created_at, id: row.id };
  switch (sort) {
    case 'time':
      return { ...place, value: null };
    case 'latency':
      return { ...place, value: row.total_ns };
    case 'tokens':
      return { ...place, value: (row.input_tokens ?? 0) + (row.output_tokens ?? 0) };
    case 'cost':
      return { ...place, value: row.cost_micro_usd ?? 0 };
    default:
      return sort satisfies never;
  }
}
