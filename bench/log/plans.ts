import { sql } from 'kysely';
import { type Db, inOrganization } from '#store/pool.ts';
import type { FilledLog } from './fill.ts';

/** Plans of the main conditions in the busiest group, as the application gets them and, for GIN, as the search function does. */
export async function printPlans(
  application: Db,
  login: Db,
  log: FilledLog,
  say: (line: string) => void,
): Promise<void> {
  const groupId = log.groups[0]!.id;
  const order = 'ORDER BY created_at DESC, id DESC LIMIT 51';
  const conditions: readonly [name: string, condition: string][] = [
    ['newest', 'true'],
    ['unit', `md5(unit) = md5('user-4711') AND unit = 'user-4711'`],
    ['trace id', `trace_id = '00000000000000000000000000000000'`],
    ['status 5xx', 'status BETWEEN 500::smallint AND 599::smallint'],
    ['key', `key_id = '${log.keyIds[1]}'`],
    ['metadata', `metadata @> '{"tenant":"tenant-7"}'`],
  ];
  const explain = async (db: Db, name: string, from: string, condition: string, sorted = order) => {
    const lines = await inOrganization(db, log.organizationId, async (tx) => {
      const { rows } = await sql<{ 'QUERY PLAN': string }>`${sql.raw(
        `EXPLAIN (ANALYZE, BUFFERS OFF, SUMMARY ON) SELECT id FROM ${from} WHERE group_id = '${groupId}' AND ${condition} ${sorted}`,
      )}`.execute(tx);
      return rows.map((row) => row['QUERY PLAN']);
    });
    say(`-- ${name}\n${lines.filter((line) => !line.includes('never executed')).join('\n')}\n`);
  };
  for (const [name, condition] of conditions) await explain(application, name, 'inferences', condition);
  const latency = 'ORDER BY total_ns DESC, created_at DESC, id DESC LIMIT 51';
  await explain(application, 'sort by latency', 'inferences', 'true', latency);
  const text = `payload_search(request, response) @@ websearch_to_tsquery('simple', 'needle7') AND created_at < now() - interval '7 days'`;
  for (const [name, from, condition] of [
    ['metadata, as the owner of find_inferences', 'inferences', `metadata @> '{"tenant":"tenant-7"}'`],
    ['text, as the owner of find_inferences', 'inference_payloads', text],
  ] as const) {
    await explain(login, name, from, condition);
  }
}
