import { createHash } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { unixMsOfId } from '#core/ids.ts';
import type { InferencePlace } from '#store/inference-order.ts';
import { decodeCursor, encodeCursor } from '../paging.ts';
import { Problem } from '../problem.ts';
import { isInferenceId } from './filter.ts';

const FINGERPRINT_BYTES = 9;
/** What does not change which rows a list has, and in which order. */
const PAGING = ['cursor', 'limit'];

const cursorSchema = z.tuple([z.string(), z.string().refine(isInferenceId), z.int().nullable()]);

/** A few characters that tell one filter and order from another. */
export function fingerprintOf(query: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(query)
    .filter(([name, value]) => value !== undefined && !PAGING.includes(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest();
  return digest.subarray(0, FINGERPRINT_BYTES).toString('base64url');
}

/** A cursor that holds for this list alone. */
export function cursorOf(fingerprint: string, place: InferencePlace): string {
  return encodeCursor([fingerprint, place.id, place.value]);
}

/** Reads a cursor back. @throws Problem `invalid` when it is none, `bad_request` when it is that of another list */
export function placeOfCursor(cursor: string | undefined, fingerprint: string): InferencePlace | undefined {
  const decoded = decodeCursor(cursor, cursorSchema);
  if (decoded === undefined) return undefined;
  const [of, id, value] = decoded;
  if (of !== fingerprint) {
    throw new Problem(
      'bad_request',
      'This cursor belongs to a list with another filter or order; ask for the first page without a cursor.',
      { issues: [{ field: 'cursor', message: 'belongs to a list with another filter or order' }] },
    );
  }
  return { createdAt: new Date(unixMsOfId(id)), id, value };
}
