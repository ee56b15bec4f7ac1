import { createHash, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createInferenceId, createRandomPool, groupHashOf } from '#core/ids.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { type Planted, plantInference } from '#tests/support/planted-inferences.ts';

let control: TestControlPlane;
let api: ApiClient;
let other: ApiClient;
const pool = createRandomPool();
const groupIds: Record<string, string> = {};
const HOUR = 3_600_000;
const now = Date.now();

interface Wanted extends Omit<Planted, 'groupId' | 'organizationId'> {
  readonly group: string;
  readonly owner?: string;
}

const plant = ({ group, owner, ...planted }: Wanted) =>
  plantInference(control.admin, { ...planted, groupId: groupIds[group]!, organizationId: owner ?? api.organizationId });

const ids = (answer: { body: { items: { id: string }[] } }) => answer.body.items.map(({ id }) => id);
const planted: string[] = [];

beforeAll(async () => {
  control = await startTestControlPlane();
  api = await control.owner('acme');
  other = await control.owner('rival');
  await seedGroup(api, 'demo');
  for (const name of ['demo', 'second', 'gone']) {
    if (name !== 'demo') await api('POST', '/groups', { name });
    groupIds[name] = (await api('GET', `/groups/${name}`)).body.id;
  }
  await api('DELETE', '/groups/gone');
  const variants = [
    {},
    { assigned_variant: 'b' },
    { status: 404, outcome: 'failed', error_code: 'upstream_rejected' },
    { status: 500, outcome: 'failed' },
  ];
  for (let i = 0; i < 12; i++) {
    const group = ['demo', 'second', 'gone'][i % 3]!;
    planted.push(await plant({ group, atMs: now - i * 100 * HOUR, row: variants[i % 4]! }));
  }
});
afterAll(() => control.stop());

test('lists all groups, deleted ones too, newest first, in pages', async () => {
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await api('GET', `/inferences?limit=5${cursor === null ? '' : `&cursor=${cursor}`}`);
    expect(page.status).toBe(200);
    seen.push(...ids(page));
    cursor = page.body.nextCursor;
  } while (cursor !== null);
  expect(seen).toEqual(planted);
});

test('rows of one millisecond page without a gap or a repetition', async () => {
  const same = await control.owner('burst');
  await seedGroup(same, 'burst');
  groupIds['burst'] = (await same('GET', '/groups/burst')).body.id;
  const made = new Set<string>();
  for (let i = 0; i < 7; i++) made.add(await plant({ group: 'burst', atMs: now, owner: same.organizationId }));
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await same('GET', `/inferences?group=burst&limit=3${cursor === null ? '' : `&cursor=${cursor}`}`);
    seen.push(...ids(page));
    cursor = page.body.nextCursor;
  } while (cursor !== null);
  expect(seen).toHaveLength(7);
  expect(new Set(seen)).toEqual(made);
});

test('filters', async () => {
  const at = (i: number) => new Date(now - i * 100 * HOUR).toISOString();
  const pick = (test: (i: number) => boolean) => planted.filter((_, i) => test(i));
  expect(ids(await api('GET', '/inferences?group=demo'))).toEqual(pick((i) => i % 3 === 0));
  expect(ids(await api('GET', `/inferences?group=${groupIds['second']}`))).toEqual(pick((i) => i % 3 === 1));
  expect(ids(await api('GET', '/inferences?group=gone'))).toEqual(pick((i) => i % 3 === 2));
  expect(ids(await api('GET', '/inferences?variant=b'))).toEqual(pick((i) => i % 4 === 1));
  expect(ids(await api('GET', '/inferences?status=404'))).toEqual(pick((i) => i % 4 === 2));
  expect(ids(await api('GET', '/inferences?status=2xx'))).toEqual(pick((i) => i % 4 < 2));
  expect(ids(await api('GET', '/inferences?outcome=failed&status=5xx'))).toEqual(pick((i) => i % 4 === 3));
  expect(ids(await api('GET', `/inferences?since=${at(5)}&until=${at(1)}`))).toEqual(pick((i) => i > 1 && i <= 5));
  expect(ids(await api('GET', `/inferences?group=demo&variant=b&since=${at(9)}`))).toEqual([planted[9]]);
  for (const [query, field] of [
    ['group=nobody', 'group'],
    ['status=20', 'status'],
    ['status=6xx', 'status'],
    ['outcome=fine', 'outcome'],
    ['since=yesterday', 'since'],
    ['variant=%00', 'variant'],
    ['cursor=x', 'cursor'],
    ['colour=red', 'colour'],
  ]) {
    expect(await api('GET', `/inferences?${query}`)).toMatchObject({ status: 422, body: { field } });
  }
});

test('items have their documented shape', async () => {
  const { body } = await api('GET', '/inferences?limit=1');
  expect(body.items[0]).toMatchObject({
    id: planted[0],
    createdAt: new Date(now).toISOString(),
    group: 'demo',
    operation: 'chat',
    range: { from: 0, to: 9000 },
    usage: { inputTokens: 3, outputTokens: 0, cachedTokens: null, reasoningTokens: null },
    costMicroUsd: null,
    timings: { queueMs: 0.001, connectMs: null, firstByteMs: 2.5, firstTokenMs: null, totalMs: 3 },
    attempts: [{ provider: 'p', upstreamModel: 'up-a', startMs: 1, connectMs: null, firstByteMs: 2.5, endMs: 3 }],
  });
});

test('one shows what was captured and why it went where it went', async () => {
  const request = JSON.stringify({ model: 'demo', messages: [] });
  const response = 'data: {}\n\ndata: [DONE]\n\n';
  const id = await plant({ group: 'second', atMs: now - 1, request, response, responseType: 'text/event-stream' });
  const { status, body } = await api('GET', `/inferences/${id}`);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    id,
    group: 'second',
    assignmentExplained: 'bucket 4711 < 9000 → a',
    request: { bytes: request.length, truncated: false, captured: true, body: { model: 'demo', messages: [] } },
    response: { contentType: 'text/event-stream', truncated: false, captured: true, body: response },
  });
  expect(body.request.sha256).toBe(createHash('sha256').update(request).digest('hex'));

  const cut = await plant({ group: 'demo', atMs: now - 2, request: '{"model":"de', row: { request_bytes: 5_000 } });
  expect((await api('GET', `/inferences/${cut}`)).body.request).toMatchObject({
    bytes: 5_000,
    truncated: true,
    sha256: null,
    body: '{"model":"de',
  });

  const bomb = await plant({
    group: 'demo',
    atMs: now - 3,
    request: '{}',
    response: '['.repeat(60_000) + ']'.repeat(60_000),
  });
  expect((await api('GET', `/inferences/${bomb}`)).status).toBe(200);

  expect((await api('GET', `/inferences/${planted[0]}`)).body).toMatchObject({
    request: { captured: false, body: null, sha256: null },
    response: { captured: false, body: null },
  });
});

test('unknown and foreign ones are a 404', async () => {
  for (const id of [
    randomUUID(),
    createInferenceId(now, groupHashOf(groupIds['demo']!), pool),
    'x',
    planted[0]!.toUpperCase(),
  ]) {
    expect((await api('GET', `/inferences/${id}`)).status).toBe(404);
  }
  expect((await other('GET', `/inferences/${planted[0]}`)).status).toBe(404);
  expect((await other('GET', '/inferences')).body).toEqual({ items: [], nextCursor: null, notice: null });
  expect((await other('GET', '/inferences?group=demo')).status).toBe(422);
});

test('a list touches the partitions of its group and time only', async () => {
  const explained = await control.admin.transaction().execute(async (tx) => {
    const { rows } = await sql<{ 'QUERY PLAN': string }>`EXPLAIN (ANALYZE, COSTS OFF)
      SELECT newest.* FROM unnest(${[groupIds['demo']]}::uuid[]) AS wanted (group_id) CROSS JOIN LATERAL (
        SELECT * FROM ringside.inferences WHERE group_id = wanted.group_id AND created_at >= ${new Date(now - HOUR)}
        ORDER BY created_at DESC, id DESC LIMIT 5) AS newest`.execute(tx);
    return rows.map((row) => row['QUERY PLAN']);
  });
  const touched = explained.filter((line) => / on inferences_g_/.test(line) && !line.includes('never executed'));
  const own = groupIds['demo']!.replaceAll('-', '');
  expect(touched.length).toBeGreaterThan(0);
  expect(touched.every((line) => line.includes(own))).toBe(true);
});
