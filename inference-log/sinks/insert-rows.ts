import type { ClientBase } from 'pg';
import type { InferenceRow } from '../record.ts';
import { type Column, cleanText, hasPayload, INFERENCE_COLUMNS, namesOf, PAYLOAD_COLUMNS } from './columns.ts';

const PAYLOADS = new Set(['request', 'response']);
const PLAIN_PAYLOAD_COLUMNS = PAYLOAD_COLUMNS.filter(({ name }) => !PAYLOADS.has(name));

/**
 * Inserts rows through the tables' parents, leaving out those that are there. Dearer than COPY per row, but one pair of
 * statements for all partitions, and a row that is known already is no error.
 * @returns how many were new
 */
export async function insertRows(client: ClientBase, rows: readonly InferenceRow[]): Promise<number> {
  const { rowCount } = await client.query(
    `INSERT INTO inferences (${namesOf(INFERENCE_COLUMNS)})
     SELECT * FROM UNNEST(${arrays(INFERENCE_COLUMNS, 1)}) ON CONFLICT DO NOTHING`,
    INFERENCE_COLUMNS.map((column) => valuesOf(column, rows)),
  );
  await insertPayloads(client, rows.filter(hasPayload));
  return rowCount ?? 0;
}

/**
 * The same, and says which of the rows were new. A count alone does not: a batch of which only some were is taken back and
 * halved. (RETURNING would say, and would need the right to read the log, which a shipper does not have.)
 */
export async function insertNewRows(
  client: ClientBase,
  rows: readonly InferenceRow[],
): Promise<readonly InferenceRow[]> {
  await client.query('SAVEPOINT part');
  const count = await insertRows(client, rows);
  const isMixed = count > 0 && count < rows.length;
  if (isMixed) await client.query('ROLLBACK TO SAVEPOINT part');
  await client.query('RELEASE SAVEPOINT part');
  if (!isMixed) return count === 0 ? [] : rows;
  const middle = rows.length >> 1;
  const first = await insertNewRows(client, rows.slice(0, middle));
  return [...first, ...(await insertNewRows(client, rows.slice(middle)))];
}

async function insertPayloads(client: ClientBase, rows: readonly InferenceRow[]): Promise<void> {
  if (rows.length === 0) return;
  const requests = packPayloads(rows.map(({ request }) => request));
  const responses = packPayloads(rows.map(({ response }) => response));
  const places = [requests.starts, requests.lengths, responses.starts, responses.lengths];
  const first = 3 + places.length;
  const names = namesOf(PLAIN_PAYLOAD_COLUMNS);
  await client.query(
    `INSERT INTO inference_payloads (request, response, ${names})
     SELECT substring($1::bytea FROM request_at FOR request_bytes), substring($2::bytea FROM response_at FOR response_bytes),
       ${PLAIN_PAYLOAD_COLUMNS.map(({ name, type }) => (type === 'bytea' ? `decode(${name}, 'hex')` : name)).join(', ')}
     FROM UNNEST($3::integer[], $4::integer[], $5::integer[], $6::integer[], ${arrays(PLAIN_PAYLOAD_COLUMNS, first)})
       AS given (request_at, request_bytes, response_at, response_bytes, ${names})
     ON CONFLICT DO NOTHING`,
    [requests.bytes, responses.bytes, ...places, ...PLAIN_PAYLOAD_COLUMNS.map((column) => valuesOf(column, rows))],
  );
}

/** `$n::type[], …` for columns, the first parameter being `$first`. Digests travel as their digits. */
function arrays(columns: readonly Column[], first: number): string {
  return columns.map(({ type }, index) => `$${first + index}::${type === 'bytea' ? 'text' : type}[]`).join(', ');
}

function valuesOf({ type, of }: Column, rows: readonly InferenceRow[]): unknown[] {
  const values = rows.map(of);
  switch (type) {
    case 'text':
      return values.map((text) => (text === null ? null : cleanText(text as string)));
    case 'timestamptz':
      return values.map((unixMs) => new Date(unixMs as number).toISOString());
    default:
      return values;
  }
}

/**
 * Many byte strings as one, with where each starts and how long it is: PostgreSQL cuts them apart again. An array of
 * bytea would travel as text, each byte as two hex digits.
 */
interface PayloadBlob {
  readonly bytes: Buffer;
  /** From 1, as SQL's substring counts; null for null. */
  readonly starts: readonly (number | null)[];
  readonly lengths: readonly (number | null)[];
}

function packPayloads(payloads: readonly (Uint8Array | null)[]): PayloadBlob {
  const starts: (number | null)[] = [];
  const lengths: (number | null)[] = [];
  const present: Uint8Array[] = [];
  let at = 1;
  for (const payload of payloads) {
    starts.push(payload === null ? null : at);
    lengths.push(payload === null ? null : payload.length);
    if (payload === null) continue;
    present.push(payload);
    at += payload.length;
  }
  return { bytes: Buffer.concat(present), starts, lengths };
}
