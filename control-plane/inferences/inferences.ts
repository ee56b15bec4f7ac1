import { type InferenceOrder, placeOf } from '#store/inference-order.ts';
import { listInferences } from '#store/inferences.ts';
import type { Tx } from '#store/pool.ts';
import type { ReadCall } from '../http/operation.ts';
import type { Page } from '../paging.ts';
import { invalid } from '../problem.ts';
import { cursorOf, fingerprintOf, placeOfCursor } from './cursor.ts';
import { resolveFilter } from './filter.ts';
import type { InferenceQuery } from './inference-query.ts';
import type { InferenceView } from './inference-schemas.ts';
import { boundedRead } from './reading.ts';
import { inferenceView } from './view.ts';

/** What lists and exports say where the rows of the log are in ClickHouse: what they have not is no proof that it is not there. */
export const ELSEWHERE =
  'The rows of the log are in ClickHouse (RINGSIDE_CLICKHOUSE_URL); here are those alone that were stored in PostgreSQL before. GET /inferences/{id} looks in both.';

export interface InferencePage extends Page<InferenceView> {
  /** What the list lacks; null: nothing. */
  readonly notice: string | null;
}

/** The inferences of an organization that a filter lets through, sorted. @param isElsewhere whether new rows go to another store */
export async function listInferencePage(
  tx: Tx,
  { organizationId, query }: ReadCall<InferenceQuery>,
  isElsewhere: boolean,
): Promise<InferencePage> {
  const fingerprint = fingerprintOf(query);
  const after = placeOfCursor(query.cursor, fingerprint);
  const { filter, groupNames } = await resolveFilter(tx, organizationId, query);
  const order: InferenceOrder = { sort: query.sort, direction: query.order };
  if (
    order.sort !== 'time' &&
    filter.since === undefined &&
    (query.group === undefined || filter.groupIds.length > 1)
  ) {
    const message = `sorting by ${order.sort} needs one group or a time to start from (since)`;
    throw invalid([{ field: 'sort', message }]);
  }
  const rows = await boundedRead(tx, (reading) =>
    listInferences(reading, organizationId, filter, { order, after, limit: query.limit + 1 }),
  );
  const shown = rows.slice(0, query.limit);
  const last = shown.at(-1);
  const more = rows.length > query.limit && last !== undefined;
  return {
    items: shown.map((row) => inferenceView(row, groupNames.get(row.group_id) ?? '')),
    nextCursor: more ? cursorOf(fingerprint, placeOf(order, last)) : null,
    notice: isElsewhere ? ELSEWHERE : null,
  };
}
