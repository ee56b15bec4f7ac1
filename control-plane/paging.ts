import { z } from '@hono/zod-openapi';
import { nameSchema } from '#core/names.ts';
import { invalid } from './problem.ts';

/** The query parameters of every list. */
export const pageQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50).openapi({ description: 'Items per page.', example: 50 }),
  cursor: z
    .string()
    .optional()
    .openapi({ description: '`nextCursor` of the page before; leave it out for the first.' }),
});

/** The answer of every list. */
export function pageSchema<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().openapi({ description: 'Ask for the next page with it; null on the last page.' }),
  });
}

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

/** An opaque cursor that holds the place behind which the next page starts. */
export function encodeCursor(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** Reads a cursor back. @throws Problem `invalid` with the field `cursor` */
export function decodeCursor<Place>(cursor: string | undefined, schema: z.ZodType<Place>): Place | undefined {
  if (cursor === undefined) return undefined;
  const place = schema.safeParse(parseOrUndefined(Buffer.from(cursor, 'base64url').toString('utf8')));
  if (place.success) return place.data;
  throw invalid([{ field: 'cursor', message: 'is no cursor that this list gave out' }]);
}

/** Reads the cursor of a list that is sorted by name. */
export function decodeNameCursor(cursor: string | undefined): string | undefined {
  return decodeCursor(cursor, nameSchema);
}

/** Makes a page of `limit` items from up to `limit + 1` rows. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  itemOf: (row: Row) => Item,
  placeOf: (row: Row) => string | number,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items: shown.map(itemOf), nextCursor: more ? encodeCursor(placeOf(last)) : null };
}

function parseOrUndefined(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
