import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { RowCount } from '#store/database.ts';

/** Bytes that pass by, counted and hashed. */
export interface ByteDigest {
  /** The same chunks. */
  watch(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  /** When all have passed: their number and their SHA-256 in hexadecimal. */
  result(): { readonly bytes: number; readonly sha256: string };
}

export function createByteDigest(): ByteDigest {
  const hash = createHash('sha256');
  let bytes = 0;
  return {
    async *watch(chunks) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    },
    result: () => ({ bytes, sha256: hash.digest('hex') }),
  };
}

/** What is counted of a line, or of a row's own JSON. */
const factsSchema = z.object({
  id: z.string(),
  group_id: z.string(),
  created_at: z.string(),
  gateway_id: z.string(),
  status: z.int(),
  outcome: z.string(),
});

/** Rows that pass by, counted as `count_rows` of migrations/0004 does. */
export interface RowTally {
  /** @throws when the row is none of the partition's */
  add(json: string): void;
  readonly rows: number;
  counts(): RowCount[];
}

/** What rows must be of. */
interface Place {
  readonly groupId: string;
  readonly startsAt: Date;
  readonly endsAt: Date;
}

export function createRowTally({ groupId, startsAt, endsAt }: Place): RowTally {
  const counts = new Map<string, Omit<RowCount, 'rows' | 'ids'> & { rows: number; ids: bigint }>();
  let rows = 0;
  return {
    add(json) {
      const facts = factsSchema.parse(JSON.parse(json));
      const at = Date.parse(facts.created_at);
      if (facts.group_id !== groupId || !(at >= startsAt.getTime() && at < endsAt.getTime())) {
        throw new Error(`a row of group ${facts.group_id} and ${facts.created_at} does not belong here`);
      }
      rows++;
      const key = `${facts.gateway_id} ${facts.status} ${facts.outcome}`;
      const known = counts.get(key);
      const ids = BigInt(`0x${facts.id.replaceAll('-', '').slice(-16)}`);
      if (known !== undefined) {
        known.rows++;
        known.ids ^= ids;
      } else
        counts.set(key, { gatewayId: facts.gateway_id, status: facts.status, outcome: facts.outcome, rows: 1, ids });
    },
    get rows() {
      return rows;
    },
    counts: () => [...counts.values()].map((count) => ({ ...count, ids: count.ids.toString(16) })),
  };
}
