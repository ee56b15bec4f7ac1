import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { groupHashOf } from '#core/ids.ts';
import { DEFAULT_CAPTURE, DEFAULT_LOG_POLICY } from '#core/snapshot/log-policy.ts';
import { insertGroup } from '#store/groups.ts';
import { indexClosedPartition } from '#store/partition-indexes.ts';
import { createPool, type Db, inOrganization } from '#store/pool.ts';

export interface FilledLog {
  readonly organizationId: string;
  /** By traffic, the busiest first. */
  readonly groups: readonly { readonly id: string; readonly name: string; readonly rows: number }[];
  /** API keys, three of them used in each group. */
  readonly keyIds: readonly string[];
}

export interface FillOptions {
  readonly rows: number;
  readonly groups: number;
  readonly days: number;
  readonly bodiesPercent: number;
}

const KEYS = 60;
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** Traffic of group i is in proportion to 1 / (i + 5): of 200, the busiest has 4.5 % and the last a fortieth of that. */
const SKEW = 5;

/** Makes an organization with groups, and fills their log up to `nowMs`. As the login, which row-level security does not bind. */
export async function fillLog(
  databaseUrl: string,
  options: FillOptions,
  nowMs: number,
  say: (line: string) => void,
): Promise<FilledLog> {
  const organizationId = randomUUID();
  const weights = Array.from({ length: options.groups }, (_, index) => 1 / (index + SKEW));
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  const groups = weights.map((weight, index) => ({
    id: randomUUID(),
    name: `group-${index}`,
    rows: Math.round((options.rows * weight) / whole),
  }));
  const keyIds = Array.from({ length: KEYS }, () => randomUUID());
  await makeGroups(databaseUrl, organizationId, groups);
  const db = createPool({ databaseUrl, role: 'login', maxConnections: 1, applicationName: 'bench' });
  try {
    await sql`SET synchronous_commit = off`.execute(db);
    let filled = 0;
    for (const [index, group] of groups.entries()) {
      const keys = [0, 1, 2].map((nth) => keyIds[(index * 3 + nth) % KEYS]!);
      for (const part of partsOf(nowMs - options.days * DAY_MS, nowMs)) {
        const rows = Math.round((group.rows * (part.toMs - part.fromMs)) / (options.days * DAY_MS));
        await fillPart(db, { ...part, organizationId, group, keys, rows, bodiesPercent: options.bodiesPercent });
        filled += rows;
      }
      if (index % 20 === 19) say(`filled ${filled} rows, ${index + 1} groups`);
    }
  } finally {
    await db.destroy();
  }
  return { organizationId, groups, keyIds };
}

async function makeGroups(
  databaseUrl: string,
  organizationId: string,
  groups: readonly { id: string; name: string }[],
): Promise<void> {
  const db = createPool({ databaseUrl, role: 'application', maxConnections: 1, applicationName: 'bench' });
  await inOrganization(db, organizationId, async (tx) => {
    await tx
      .insertInto('organizations')
      .values({ id: organizationId, name: `bench-${organizationId}` })
      .execute();
  });
  // One transaction each: the tables of 200 groups are more locks than one may hold.
  for (const { id, name } of groups) {
    await inOrganization(db, organizationId, (tx) =>
      insertGroup(tx, {
        ...{ id, organization_id: organizationId, name, salt: '0'.repeat(32), description: '' },
        ...{ capture: JSON.stringify(DEFAULT_CAPTURE), log: JSON.stringify(DEFAULT_LOG_POLICY) },
      }),
    );
  }
  await db.destroy();
}

/** The API keys of a filled log; those that are there stay. */
export async function makeKeys(databaseUrl: string, { organizationId, keyIds }: FilledLog): Promise<void> {
  const db = createPool({ databaseUrl, role: 'application', maxConnections: 1, applicationName: 'bench' });
  await inOrganization(db, organizationId, async (tx) => {
    const rows = keyIds.map((id, index) => ({
      ...{ id, organization_id: organizationId, name: `key-${index}`, hint: 'rsk_…', key_version: index + 1 },
      ...{ digest: Buffer.from(id), group_ids: null, default_unit: null, expires_at: null, deleted_at: null },
    }));
    await tx
      .insertInto('api_keys')
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  });
  await db.destroy();
}

interface Part {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Cuts a time at the borders of ISO weeks; 5 January 1970 was a Monday. */
function partsOf(fromMs: number, toMs: number): Part[] {
  const parts: Part[] = [];
  for (let at = fromMs; at < toMs; ) {
    const next = Math.min(toMs, Math.floor((at - 4 * DAY_MS) / WEEK_MS + 1) * WEEK_MS + 4 * DAY_MS);
    parts.push({ fromMs: at, toMs: next });
    at = next;
  }
  return parts;
}

interface Filling extends Part {
  readonly organizationId: string;
  readonly group: { readonly id: string };
  readonly keys: readonly string[];
  readonly rows: number;
  readonly bodiesPercent: number;
}

async function fillPart(
  db: Db,
  { fromMs, toMs, organizationId, group, keys, rows, bodiesPercent }: Filling,
): Promise<void> {
  const { rows: found } = await sql<{ suffix: string }>`
    SELECT provision_partition(${group.id}, ${new Date(fromMs)}) AS suffix`.execute(db);
  const { suffix } = found[0]!;
  const hash = groupHashOf(group.id).toString(16).padStart(3, '0');
  // A draw of its own for everything that varies; OFFSET 0 keeps the planner from drawing again where one is used twice.
  await sql`
    INSERT INTO ${sql.ref(`inferences_${suffix}`)} (id, group_id, created_at, organization_id, schema_version, gateway_id, config_version,
      key_id, operation, dialect, streamed, assigned_variant, served_variant, served_reason, unit, unit_source, hash_version, bucket,
      range_from, range_to, phase, status, outcome, error_code, end_reason, finish_reason, attempts, input_tokens, output_tokens,
      cost_micro_usd, queue_ns, connect_ns, first_byte_ns, first_token_ns, total_ns, trace_id, metadata, request_bytes, response_bytes)
    SELECT
      (lpad(to_hex(unix_ms), 12, '0') || '7' || ${hash} || 'a' || substr(md5(random()::text), 1, 15))::uuid,
      ${group.id}::uuid, to_timestamp(unix_ms / 1000.0), ${organizationId}::uuid, 1, ${organizationId}::uuid, 1 + (a * 40)::int,
      (${keys}::uuid[])[1 + (b * 2.99)::int % 3], CASE WHEN c < 0.9 THEN 'chat' ELSE 'embeddings' END, 'openai-chat', d < 0.6,
      CASE WHEN e < 0.9 THEN 'champion' ELSE 'challenger' END,
      CASE WHEN f < 0.97 THEN CASE WHEN e < 0.9 THEN 'champion' ELSE 'challenger' END END,
      CASE WHEN f < 0.97 THEN 'assigned' ELSE 'none' END,
      'user-' || (g * g * 50000)::int, 'header', 1, (e * 9999.9)::int % 10000,
      CASE WHEN e < 0.9 THEN 0 ELSE 9000 END, CASE WHEN e < 0.9 THEN 9000 ELSE 10000 END, 1,
      CASE WHEN f < 0.97 THEN 200 WHEN f < 0.98 THEN 429 WHEN f < 0.995 THEN 502 ELSE 499 END,
      CASE WHEN f < 0.97 THEN 'completed' WHEN f < 0.995 THEN 'failed' ELSE 'client_closed' END,
      CASE WHEN f < 0.97 THEN NULL WHEN f < 0.98 THEN 'upstream_rate_limited' WHEN f < 0.995 THEN 'upstream_error' ELSE 'client_closed' END,
      'body', CASE WHEN f > 0.97 THEN NULL WHEN h < 0.9 THEN 'stop' WHEN h < 0.998 THEN 'length' ELSE 'content_filter' END,
      jsonb_build_array(jsonb_build_object('provider', 'openai', 'model', 'champion', 'upstreamModel',
        CASE WHEN e < 0.9 THEN 'gpt-4.1-mini' ELSE 'gpt-4.1' END, 'status', 200, 'errorCode', NULL, 'startNs', 90000, 'connectNs', 210000,
        'firstByteNs', 412345678, 'endNs', 500000000, 'requestId', substr(md5(g::text), 1, 16))),
      (20 * exp(k * 7))::int, (5 * exp(l * 6))::int, (10 * exp(k * 7))::bigint, 90000, 210000, (50000000 * exp(m * 3))::bigint,
      CASE WHEN d < 0.6 THEN (60000000 * exp(m * 3))::bigint END, (100000000 * exp(m * m * 6))::bigint, md5(random()::text),
      CASE WHEN n < 0.5 THEN jsonb_build_object('tenant', 'tenant-' || (o * 999)::int, 'feature', (ARRAY['chat','search','mail'])[1 + (b * 2.99)::int % 3]) END,
      1000, 450
    FROM (
      SELECT (${fromMs}::bigint + (random() * ${toMs - fromMs - 1})::bigint) AS unix_ms, random() AS a, random() AS b, random() AS c,
        random() AS d, random() AS e, random() AS f, random() AS g, random() AS h, random() AS k, random() AS l, random() AS m,
        random() AS n, random() AS o
      FROM generate_series(1, ${rows}::int) OFFSET 0
    ) AS drawn ORDER BY unix_ms`.execute(db);
  await fillBodies(db, suffix, bodiesPercent);
}

/** Prompts of 40 and answers of 20 words, few of them frequent; one prompt in 2 000 has a word of its own kind. */
async function fillBodies(db: Db, suffix: string, bodiesPercent: number): Promise<void> {
  const words = (count: number) => sql`(
    SELECT string_agg('word' || (random() ^ 3 * 5000)::int, ' ') FROM generate_series(1, ${sql.raw(String(count))}) WHERE row.id IS NOT NULL)`;
  await sql`
    INSERT INTO ${sql.ref(`inference_payloads_${suffix}`)} (id, group_id, created_at, organization_id, request, response, response_type)
    SELECT row.id, row.group_id, row.created_at, row.organization_id,
      convert_to('{"model":"group","messages":[{"role":"user","content":"' || ${words(40)} ||
        CASE WHEN random() < 0.0005 THEN ' needle' || (random() * 20)::int ELSE '' END || '"}]}', 'UTF8'),
      convert_to('{"choices":[{"index":0,"message":{"role":"assistant","content":"' || ${words(20)} || '"}}]}', 'UTF8'),
      'application/json'
    FROM ${sql.ref(`inferences_${suffix}`)} AS row WHERE random() * 100 < ${bodiesPercent}`.execute(db);
}

/** Gives partitions that have ended their indexes, as the leader does, and all of them statistics. @returns how many were given one */
export async function closePartitions(databaseUrl: string, say: (line: string) => void): Promise<number> {
  const leader = createPool({ databaseUrl, role: 'leader', maxConnections: 1, applicationName: 'bench' });
  let count = 0;
  while ((await indexClosedPartition(leader)) !== null) {
    if (++count % 400 === 0) say(`indexed ${count} partitions`);
  }
  await leader.destroy();
  const db = createPool({ databaseUrl, role: 'login', maxConnections: 1, applicationName: 'bench' });
  await sql`VACUUM ANALYZE inferences`.execute(db);
  await sql`VACUUM ANALYZE inference_payloads`.execute(db);
  await sql`CHECKPOINT`.execute(db);
  await db.destroy();
  return count;
}
