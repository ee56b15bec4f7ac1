import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compileSplit, place } from '#core/split/assign.ts';
import { createPool, type Db, inOrganization } from '#store/pool.ts';
import { splitInForce } from '#store/weight-versions.ts';
import { type Stack, startStack, waitForInferences } from '../support/stack.ts';

const EACH = 60;
const WEIGHTS = [
  { a: 7_000, b: 3_000 },
  { a: 2_500, b: 7_500 },
  { a: 6_001, b: 3_999 },
];

let stack: Stack;
let db: Db;

beforeAll(async () => {
  stack = await startStack({ workers: 1 });
  db = createPool({ databaseUrl: stack.databaseUrl, role: 'application', maxConnections: 1, applicationName: 'test' });
});
afterAll(async () => {
  await db.destroy();
  await stack.stop();
});

/** Any text that a header carries. */
const randomUnit = () => randomBytes(1 + Math.floor(Math.random() * 30)).toString('base64');

test('a row is enough to compute its assignment again, over changes of the weights', async () => {
  const key = await stack.createGroup('split', WEIGHTS[0]!);
  for (const [index, weights] of WEIGHTS.entries()) {
    if (index > 0) expect((await stack.api('PATCH', '/groups/split/weights', weights)).status).toBe(200);
    for (let i = 0; i < EACH; i++) {
      const answer = await stack.chat(key, { model: 'split' }, i % 10 === 0 ? {} : { 'x-ringside-unit': randomUnit() });
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
    }
  }
  await waitForInferences(stack, 'split', EACH * WEIGHTS.length);
  const owner = createPool({
    databaseUrl: stack.databaseUrl,
    role: 'login',
    maxConnections: 1,
    applicationName: 'test',
  });
  const rows = await owner.selectFrom('inferences').selectAll().execute();
  await owner.destroy();
  expect(rows).toHaveLength(EACH * WEIGHTS.length);
  const splits = new Set<number>();
  for (const row of rows) {
    const known = await inOrganization(db, row.organization_id, (tx) =>
      splitInForce(tx, row.organization_id, row.group_id, row.config_version),
    );
    splits.add(known!.config_version);
    const split = compileSplit(
      known!.salt,
      row.hash_version,
      known!.variants.map(({ ranges }) => ranges),
    );
    const placement = place(split, row.unit);
    expect(placement.bucket).toBe(row.bucket);
    expect(placement.range).toEqual([row.range_from, row.range_to]);
    expect(known!.variants[placement.variant]!.model).toBe(row.assigned_variant);
    expect([known!.phase, known!.hash_version]).toEqual([row.phase, row.hash_version]);
  }
  expect(splits.size).toBe(WEIGHTS.length);
});

test('its detail explains it, shows where the time went and links to what changed', async () => {
  const [newest] = (await stack.api<{ items: { id: string; configVersion: number }[] }>('GET', '/inferences?limit=1'))
    .body.items;
  const { body } = await stack.api<Record<string, unknown>>('GET', `/inferences/${newest!.id}`);
  expect(body['assignmentExplained']).toMatch(/bucket \d+ < \d+ → (champion a|challenger b)$/);
  const { splitChange, configChange, splitSince } = body['assignment'] as Record<string, string | number>;
  expect(configChange).toBe(`/api/v1/audit?version=${newest!.configVersion}`);
  const audit = await stack.api<{ items: { action: string; configVersion: number }[] }>(
    'GET',
    String(splitChange).slice('/api/v1'.length),
  );
  expect(audit.body.items).toMatchObject([{ action: 'group.weights.change', configVersion: splitSince }]);
  const spans = body['waterfall'] as { name: string; startMs: number; endMs: number }[];
  expect(spans.map(({ name }) => name)).toEqual(['queue', 'connect', 'first_byte', 'stream', 'finish']);
  for (const [index, span] of spans.entries()) {
    expect(span.endMs).toBeGreaterThanOrEqual(span.startMs);
    if (index > 0) expect(span.startMs).toBe(spans[index - 1]!.endMs);
  }
  expect(spans.at(-1)!.endMs).toBe((body['timings'] as { totalMs: number }).totalMs);
  expect(body['sentUpstream']).toMatchObject({ addedUsage: false });
  expect(body['answer']).toMatchObject({ role: 'assistant' });
});
