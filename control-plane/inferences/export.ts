import { unixMsOfId } from '#core/ids.ts';
import { type InferencePlace, NEWEST_FIRST, placeOf } from '#store/inference-order.ts';
import { findPayloads, type InferenceRow, listInferences, type PayloadRow } from '#store/inferences.ts';
import type { Tx } from '#store/pool.ts';
import type { StreamAnswer, StreamCall } from '../http/operation.ts';
import { invalid } from '../problem.ts';
import { EXPORT_LINES, type ExportLines } from './export-lines.ts';
import { isInferenceId, type ResolvedFilter, resolveFilter } from './filter.ts';
import type { ExportQuery } from './inference-query.ts';
import { ELSEWHERE } from './inferences.ts';
import { boundedRead } from './reading.ts';

const BATCH_ROWS = 500;
/** Bodies of so many bytes are held at a time, or those of one row. */
const MAX_PAYLOAD_BYTES = 8_388_608;
/** The most that a capture policy lets be kept of one side. */
const MAX_CAPTURED_BYTES = 1_048_576;

interface Batch {
  readonly lines: string;
  readonly rows: number;
  readonly skipped: number;
  readonly last: InferencePlace | undefined;
  readonly done: boolean;
}

/**
 * The inferences that a filter lets through, newest first, as lines of a file. They are read in batches, each in a
 * transaction of its own and only when the one before has been taken, so that neither memory nor a snapshot of the database is
 * held while a slow reader reads.
 */
export async function exportInferences(
  { organizationId, query, read }: StreamCall<ExportQuery>,
  isElsewhere: boolean,
): Promise<StreamAnswer> {
  const lines = EXPORT_LINES[query.format];
  const start = startOf(query.after);
  // The first batch before the answer begins: what is wrong with the filter is then a problem and not a cut stream.
  const { resolved, first } = await read(async (tx) => {
    const found = await resolveFilter(tx, organizationId, query);
    return { resolved: found, first: await readBatch(tx, organizationId, found, lines, start) };
  });
  const next = (after: InferencePlace | undefined) =>
    read((tx) => readBatch(tx, organizationId, resolved, lines, after));
  return {
    headers: {
      'content-type': lines.contentType,
      'content-disposition': `attachment; filename="inferences.${lines.extension}"`,
      ...(isElsewhere ? { 'x-ringside-notice': ELSEWHERE } : {}),
    },
    body: linesOf(lines, first, next, start, query.checkpoints),
  };
}

function startOf(after: string | undefined): InferencePlace | undefined {
  if (after === undefined) return undefined;
  if (!isInferenceId(after)) throw invalid([{ field: 'after', message: 'is no id of an inference' }]);
  return { createdAt: new Date(unixMsOfId(after)), id: after, value: null };
}

async function* linesOf(
  { head }: ExportLines,
  first: Batch,
  next: (after: InferencePlace | undefined) => Promise<Batch>,
  start: InferencePlace | undefined,
  word: string | undefined,
): AsyncGenerator<string> {
  // Who goes on has the head already.
  if (start === undefined && head !== '') yield head;
  let [rows, skipped] = [0, 0];
  for (let batch = first; ; batch = await next(batch.last)) {
    rows += batch.rows;
    skipped += batch.skipped;
    if (batch.lines !== '') yield batch.lines;
    if (word !== undefined) {
      const { id, createdAt } = batch.last ?? start ?? { id: null, createdAt: null };
      yield `\u001e${word} ${JSON.stringify({ after: id, at: createdAt, rows, skipped, done: batch.done })}\n`;
    }
    if (batch.done) return;
  }
}

async function readBatch(
  tx: Tx,
  organizationId: string,
  { filter, groupNames }: ResolvedFilter,
  lines: ExportLines,
  after: InferencePlace | undefined,
): Promise<Batch> {
  return boundedRead(tx, async (reading) => {
    const rows = await listInferences(reading, organizationId, filter, {
      order: NEWEST_FIRST,
      after,
      limit: BATCH_ROWS,
    });
    const used = lines.withPayloads ? firstOf(rows) : rows;
    const payloads = lines.withPayloads
      ? await reading.run((inner) => findPayloads(inner, organizationId, used))
      : NO_PAYLOADS;
    const written = used
      .map((row) => lines.line({ row, groupName: groupNames.get(row.group_id) ?? '', payload: payloads.get(row.id) }))
      .filter((line) => line !== null);
    const last = used.at(-1);
    return {
      lines: written.join(''),
      rows: written.length,
      skipped: used.length - written.length,
      last: last === undefined ? undefined : placeOf(NEWEST_FIRST, last),
      done: rows.length < BATCH_ROWS && used.length === rows.length,
    };
  });
}

const NO_PAYLOADS: ReadonlyMap<string, PayloadRow> = new Map();

/** The first rows, as many as whose bodies may be held at a time, and at least one. */
function firstOf(rows: readonly InferenceRow[]): readonly InferenceRow[] {
  let bytes = 0;
  const end = rows.findIndex((row, index) => {
    bytes += Math.min(row.request_bytes, MAX_CAPTURED_BYTES) + Math.min(row.response_bytes, MAX_CAPTURED_BYTES);
    return index > 0 && bytes > MAX_PAYLOAD_BYTES;
  });
  return end === -1 ? rows : rows.slice(0, end);
}
