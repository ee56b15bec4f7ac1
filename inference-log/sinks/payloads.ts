import { CompiledQuery } from 'kysely';
import type { Tx } from '#store/pool.ts';
import type { InferenceRow } from '../record.ts';
import { type Column, cleanText, KEY_COLUMNS, unnest } from './columns.ts';

const PAYLOAD_COLUMNS: readonly Column[] = [
  ...KEY_COLUMNS,
  { name: 'request_sha256', type: 'text', of: ({ begin }) => begin.requestSha256 },
  { name: 'response_sha256', type: 'text', of: ({ end }) => end.responseSha256 },
  { name: 'response_type', type: 'text', of: ({ end }) => cleanText(end.responseType) },
];

/** Inserts what was captured of the rows, as captured. */
export async function insertPayloads(tx: Tx, all: readonly InferenceRow[]): Promise<void> {
  const rows = all.filter(hasPayload);
  if (rows.length === 0) return;
  const requests = packPayloads(rows.map(({ request }) => request));
  const responses = packPayloads(rows.map(({ response }) => response));
  const cut = { name: 'cut', type: 'integer', of: () => null } as const;
  await tx.executeQuery(
    CompiledQuery.raw(
      `INSERT INTO inference_payloads (id, group_id, created_at, organization_id, request_sha256, response_sha256,
         response_type, request, response)
       SELECT id, group_id, created_at, organization_id, decode(request_sha256, 'hex'), decode(response_sha256, 'hex'),
         response_type, substring($1::bytea FROM request_at FOR request_bytes),
         substring($2::bytea FROM response_at FOR response_bytes)
       FROM ${unnest([...PAYLOAD_COLUMNS, cut, cut, cut, cut], 3)} AS given (${PAYLOAD_COLUMNS.map(({ name }) => name).join(', ')},
         request_at, request_bytes, response_at, response_bytes)
       ON CONFLICT DO NOTHING`,
      [
        ...[requests.bytes, responses.bytes],
        ...PAYLOAD_COLUMNS.map(({ of }) => rows.map(of)),
        ...[requests.starts, requests.lengths, responses.starts, responses.lengths],
      ],
    ),
  );
}

function hasPayload({ request, response, begin, end }: InferenceRow): boolean {
  return request !== null || response !== null || begin.requestSha256 !== null || end.responseSha256 !== null;
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
