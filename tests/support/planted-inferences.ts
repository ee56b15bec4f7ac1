import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { createInferenceId, createRandomPool, groupHashOf } from '#core/ids.ts';
import type { Db } from '#store/pool.ts';

/** A row that a test puts into the log by hand. */
export interface Planted {
  readonly groupId: string;
  readonly organizationId: string;
  readonly atMs: number;
  /** Columns that differ from a completed chat. */
  readonly row?: Record<string, unknown>;
  readonly request?: string | Buffer;
  readonly response?: string | Buffer;
  readonly responseType?: string;
}

const pool = createRandomPool();

/** Puts an inference into the log, with its payloads if there are any. @returns its id */
export async function plantInference(db: Db, planted: Planted): Promise<string> {
  const { groupId, organizationId, atMs, row = {}, request, response, responseType } = planted;
  const id = createInferenceId(atMs, groupHashOf(groupId), pool);
  const place = { id, group_id: groupId, created_at: new Date(atMs), organization_id: organizationId };
  await sql`SELECT ringside.provision_partition(${groupId}, ${new Date(atMs)})`.execute(db);
  await db
    .insertInto('inferences')
    .values({
      ...place,
      ...COMPLETED_CHAT,
      gateway_id: randomUUID(),
      key_id: randomUUID(),
      ...sizes(request, response),
      ...row,
    })
    .execute();
  if (request === undefined && response === undefined) return id;
  const bytes = (body: string | Buffer | undefined) => (body === undefined ? null : Buffer.from(body));
  await db
    .insertInto('inference_payloads')
    .values({ ...place, request: bytes(request), response: bytes(response), response_type: responseType ?? null })
    .execute();
  return id;
}

function sizes(request: string | Buffer | undefined, response: string | Buffer | undefined) {
  return { request_bytes: Buffer.byteLength(request ?? ''), response_bytes: Buffer.byteLength(response ?? '') };
}

const COMPLETED_CHAT = {
  schema_version: 1,
  config_version: 1,
  operation: 'chat',
  dialect: 'openai-chat',
  streamed: false,
  assigned_variant: 'a',
  served_variant: 'a',
  served_reason: 'assigned',
  unit: 'u',
  unit_source: 'header',
  hash_version: 1,
  bucket: 4711,
  range_from: 0,
  range_to: 9000,
  phase: 2,
  status: 200,
  outcome: 'completed',
  end_reason: 'body',
  attempts: JSON.stringify([
    {
      ...{ provider: 'p', model: 'a', upstreamModel: 'up-a', status: 200, errorCode: null, requestId: null },
      ...{ startNs: 1_000_000, connectNs: null, firstByteNs: 2_500_000, endNs: 3_000_000 },
    },
  ]),
  input_tokens: 3,
  output_tokens: 0,
  queue_ns: 1_234,
  first_byte_ns: 2_500_000,
  total_ns: 3_000_000,
  trace_id: 't',
};
