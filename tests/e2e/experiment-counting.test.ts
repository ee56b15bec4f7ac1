import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compileSplit, place } from '#core/split/assign.ts';
import { createPool, type Db } from '#store/pool.ts';
import { plantRollout, storedCounts } from '../support/experiments.ts';
import { allInferences, type Stack, startStack, waitForInferences } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** Through a real gateway: what callers did is what the experiment counts, whether or not the gateway lived through it. */
const UNITS = 40;
const ROUNDS = 4;
const PRICES = { input: 3_000_000, output: 15_000_000 };

let stack: Stack;
let db: Db;
let key: string;
let groupId: string;
let experiment: string;

beforeAll(async () => {
  stack = await startStack({ workers: 2 });
  db = createPool({ databaseUrl: stack.databaseUrl, role: 'login', maxConnections: 1, applicationName: 'test' });
  key = await stack.createGroup('shop', { champ: 6_000, chall: 4_000 });
  expect((await stack.api('PATCH', '/models/champ', { meta: { prices: PRICES } })).status).toBe(200);
  const errors = [{ status: 500, rate: 1, message: 'broken' }];
  await fetch(`${stack.simulatorUrl}/_sim/models/chall`, { method: 'PUT', body: JSON.stringify({ errors }) });
  await startExperiment();
});
afterAll(async () => {
  await db.destroy();
  await stack.stop();
});

/** Half of the champion's buckets against all of the challenger's, as the newest configuration. */
async function startExperiment(): Promise<void> {
  const group = await db.selectFrom('groups').selectAll().where('name', '=', 'shop').executeTakeFirstOrThrow();
  groupId = group.id;
  const variants = await db
    .selectFrom('variants')
    .selectAll()
    .where('group_id', '=', groupId)
    .orderBy('position')
    .execute();
  const place = { organizationId: group.organization_id, groupId };
  experiment = await plantRollout(db, place, { endedAt: new Date() });
  const arms = [
    { modelId: variants[0]!.model_id, ranges: [[0, 3_000]] },
    { modelId: variants[1]!.model_id, ranges: variants[1]!.ranges },
  ];
  const running = JSON.stringify({ id: experiment, phase: 2, arms, correlationKey: 'order' });
  const { rows } = await sql<{ version: number }>`
    INSERT INTO snapshots (version, organization_id, document)
    SELECT nextval('config_version'), organization_id, jsonb_set(document, '{groups,0,experiment}', ${running}::jsonb)
    FROM snapshots ORDER BY version DESC LIMIT 1 RETURNING version`.execute(db);
  await sql`SELECT pg_notify('ringside_config', ${String(rows[0]!.version)})`.execute(db);
  await waitFor('the gateway to serve the experiment', async () => {
    const { body } = await stack.api<{ items: { snapshotVersion: number }[] }>('GET', '/gateways');
    return body.items.length > 0 && body.items.every(({ snapshotVersion }) => snapshotVersion >= rows[0]!.version);
  });
}

async function callAll(round: number): Promise<void> {
  for (let i = 0; i < UNITS; i++) {
    const headers = {
      'x-ringside-unit': `user-${i}`,
      'x-ringside-metadata': JSON.stringify({ order: `o-${round}-${i}` }),
    };
    const answer = await stack.chat(key, { model: 'shop', stream: round % 2 === 1 }, headers);
    expect([200, 502]).toContain(answer.status);
    await answer.arrayBuffer();
  }
}

test('every inference of an arm is counted once, over a kill of the gateway, and nothing else', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    if (round === 2) {
      await stack.killGateway();
      await stack.startGateway();
    }
    await callAll(round);
  }
  await waitForInferences(stack, 'shop', UNITS * ROUNDS);
  const group = await db.selectFrom('groups').selectAll().where('id', '=', groupId).executeTakeFirstOrThrow();
  const variants = await db
    .selectFrom('variants')
    .selectAll()
    .where('group_id', '=', groupId)
    .orderBy('position')
    .execute();
  const split = compileSplit(
    group.salt,
    group.hash_version,
    variants.map(({ ranges }) => ranges),
  );
  const armOf = (unit: string) => {
    const { bucket, variant } = place(split, unit);
    return variant === 1 ? 1 : bucket < 3_000 ? 0 : null;
  };
  const arms = Array.from({ length: UNITS }, (_, i) => armOf(`user-${i}`));
  const unitsOf = (arm: number) => arms.filter((own) => own === arm).length;
  expect(unitsOf(0) * unitsOf(1)).toBeGreaterThan(0);
  expect(arms).toContain(null);

  const { arms: counted, units, inferences } = await storedCounts(db, experiment);
  expect(counted).toMatchObject([
    { arm: '2/0', units: unitsOf(0), failingUnits: 0, requests: unitsOf(0) * ROUNDS, failures: 0 },
    {
      arm: '2/1',
      units: unitsOf(1),
      failingUnits: unitsOf(1),
      requests: unitsOf(1) * ROUNDS,
      failures: unitsOf(1) * ROUNDS,
    },
  ]);
  expect(units.map(({ sums }) => sums['requests'])).toEqual(units.map(() => ROUNDS));
  for (const { key: at, sums } of units) {
    expect(sums['first_token_n']).toBe(at.startsWith('2/0/') ? ROUNDS / 2 : 0);
    expect(sums['latency_n']).toBe(at.startsWith('2/0/') ? ROUNDS : 0);
  }
  expect(inferences).toHaveLength((unitsOf(0) + unitsOf(1)) * ROUNDS);
});

test('each row says where it counts and what it cost, and its assignment is made again', async () => {
  const rows = (await allInferences(stack, 'shop')) as unknown as {
    id: string;
    unit: string;
    assignedVariant: string;
    costMicroUsd: number | null;
    experiment: { id: string; phase: number; arm: number } | null;
    usage: { inputTokens: number; outputTokens: number };
    metadata: { order: string };
  }[];
  let cost = 0;
  for (const { assignedVariant, costMicroUsd, usage, experiment: at } of rows) {
    const isChampion = assignedVariant === 'champ';
    expect(costMicroUsd).toBe(isChampion ? usage.inputTokens * 3 + usage.outputTokens * 15 : null);
    if (at !== null) expect(at).toEqual({ id: experiment, phase: 2, arm: isChampion ? 0 : 1 });
    if (at !== null) cost += costMicroUsd ?? 0;
  }
  const { units } = await storedCounts(db, experiment);
  expect(units.reduce((total, { sums }) => total + sums['cost_micro_usd']!, 0)).toBe(cost);
  const one = rows.find(({ experiment: at }) => at !== null)!;
  const place = await db
    .selectFrom('experiment_inferences')
    .selectAll()
    .where('inference_id', '=', one.id)
    .executeTakeFirstOrThrow();
  expect(place.correlation).toBe(one.metadata.order);
  const { body } = await stack.api('GET', `/inferences/${one.id}`);
  expect(body).toMatchObject({ assignment: { reproduced: true }, experiment: one.experiment });
  const { body: told } = await stack.api('GET', `/groups/shop/assignment?unit=${one.unit}`);
  expect(told).toMatchObject({
    variant: one.assignedVariant,
    experiment: one.experiment,
    explanation: body['assignmentExplained'],
  });
});
