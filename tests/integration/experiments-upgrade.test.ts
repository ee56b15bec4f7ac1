import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { migrate } from '#store/migrate.ts';
import { createDatabaseBefore, type OldDatabase } from '#tests/support/old-database.ts';
import { waitFor } from '#tests/support/wait.ts';

const FIRST_NEW = '0015_quick_looks';
const [ORGANIZATION, GROUP, ROLLOUT, INFERENCE, SHADOW, GATEWAY, KEY] = Array.from({ length: 7 }, () => randomUUID());
const UNIT = '0cc175b9-c0f1-b6a8-31c3-99e269772661';

/** A row in every table of experiments, as the release of 0014 writes them. Counts of a unit are 3 each. */
const COUNTS = [
  ...['requests', 'failures', 'over_objective', 'latency_us', 'latency_n', 'first_token_us', 'first_token_n'],
  ...[
    'first_token_over',
    'input_tokens',
    'output_tokens',
    'usage_n',
    'cost_micro_usd',
    'cost_n',
    'cache_hits',
    'refusals',
  ],
];
const ROWS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  rollouts: {
    ...{ id: ROLLOUT, organization_id: ORGANIZATION, group_id: GROUP, name: 'r', definition: '{}', plan: '{}' },
    ...{ arms: '[]', state: 'ramping', started_at: new Date() },
  },
  rollout_transitions: {
    ...{ rollout_id: ROLLOUT, organization_id: ORGANIZATION, from_state: 'draft', to_state: 'ramping', event: 'start' },
    ...{ reason: '', actor: 'a', phase: 1 },
  },
  rollout_webhooks: {
    ...{ id: randomUUID(), rollout_id: ROLLOUT, organization_id: ORGANIZATION, hook: 'h', gate: 'g', payload: '{}' },
  },
  freeze_windows: {
    ...{ id: randomUUID(), organization_id: ORGANIZATION, starts_at: new Date(0), ends_at: new Date(), reason: '' },
  },
  experiment_phases: { experiment_id: ROLLOUT, phase: 1, organization_id: ORGANIZATION, weights_bp: '[5000,5000]' },
  experiment_units: {
    ...{ experiment_id: ROLLOUT, phase: 1, arm: 0, unit: UNIT, organization_id: ORGANIZATION, first_at: new Date() },
    ...Object.fromEntries(COUNTS.map((name) => [name, 3])),
  },
  experiment_totals: {
    ...{ experiment_id: ROLLOUT, phase: 1, arm: 0, gateway_id: GATEWAY, organization_id: ORGANIZATION },
    ...{ units: 1, failing_units: 1, requests: 3, failures: 3, last_at: new Date() },
  },
  experiment_unit_metrics: {
    ...{ experiment_id: ROLLOUT, phase: 1, arm: 0, metric: 'rating', unit: UNIT, organization_id: ORGANIZATION },
    ...{ n: 2, sum: '0.1' },
  },
  experiment_inferences: {
    ...{ inference_id: INFERENCE, experiment_id: ROLLOUT, organization_id: ORGANIZATION, group_id: GROUP, phase: 1 },
    ...{ arm: 0, unit: UNIT, created_at: new Date() },
  },
  experiment_history: {
    ...{ experiment_id: ROLLOUT, unit: UNIT, organization_id: ORGANIZATION, metric: 'latency', n: 4, sum: '10' },
  },
  experiment_looks: { experiment_id: ROLLOUT, organization_id: ORGANIZATION, at: new Date(), phase: 1, look: '{}' },
  feedback: {
    ...{ organization_id: ORGANIZATION, id: 'f', inference_id: INFERENCE, metric: 'rating', kind: 'numeric', value: 1 },
    ...{ key_id: KEY, gateway_id: GATEWAY, at: new Date(), received_at: new Date() },
  },
  shadow_pairs: {
    ...{ shadow_id: SHADOW, inference_id: INFERENCE, organization_id: ORGANIZATION, group_id: GROUP, unit: UNIT },
    ...{ shadow_variant: 's', created_at: new Date() },
  },
  shadow_evaluators: { group_id: GROUP, organization_id: ORGANIZATION, key: 'k' },
};

/** What newer releases read in the rows of older ones. */
const ADDED: Readonly<Record<string, object>> = {
  rollouts: { looks_thinned_before: null, closed_at: null, folded_at: null },
  experiment_units: { without_input: 0, without_output: 0 },
  experiment_history: { x: null },
  experiment_inferences: { derive_at: null, derive_detail: '' },
  shadow_pairs: { evaluation_since: null },
};

let database: OldDatabase;
const clients: pg.Client[] = [];

beforeEach(async () => {
  database = await createDatabaseBefore(FIRST_NEW);
  const admin = await connect();
  await admin.query(`INSERT INTO organizations (id, name) VALUES ('${ORGANIZATION}', 'acme')`);
  await admin.query(`INSERT INTO groups (id, organization_id, name, description, salt, capture, log)
    VALUES ('${GROUP}', '${ORGANIZATION}', 'g', '', '${'00'.repeat(16)}', '{}', '{}')`);
  for (const table of Object.keys(ROWS)) await insert(admin, table, ROWS[table]!);
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.end();
  await database.drop();
});

async function connect(role?: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url });
  clients.push(client);
  await client.connect();
  if (role !== undefined) await client.query(`SET ROLE ${role}`);
  await client.query('SET search_path = ringside');
  return client;
}

/** Under a name, so that the server keeps its plan, as gateways have theirs. */
function insert(client: pg.Client, table: string, row: Readonly<Record<string, unknown>>, onConflict = '') {
  const names = Object.keys(row);
  const text = `INSERT INTO ${table} AS t (${names.join()}) SELECT ${names.map((_, index) => `$${index + 1}`).join()} ${onConflict}`;
  return client.query({ name: `insert-${table}`, text, values: Object.values(row) });
}

async function rowsOf(client: pg.Client, table: string) {
  const { rows } = await client.query<{ row: object }>(`SELECT to_jsonb(t) AS row FROM ${table} AS t`);
  return rows.map(({ row }) => row);
}

test('every row stays what it was, and says of itself what newer releases ask', async () => {
  const admin = await connect();
  const before = new Map<string, object[]>();
  for (const table of Object.keys(ROWS)) before.set(table, await rowsOf(admin, table));
  await migrate(database.url);
  for (const [table, rows] of before) {
    expect(rows, table).toHaveLength(1);
    expect(await rowsOf(admin, table), table).toEqual(rows.map((row) => ({ ...row, ...ADDED[table] })));
  }
});

test('a gateway of the release before goes on storing, over connections that it has', async () => {
  const shipper = await connect('ringside_shipper');
  const added = COUNTS.map((name) => `${name} = t.${name} + excluded.${name}`).join();
  const store = async () => {
    await shipper.query('BEGIN');
    await shipper.query({
      name: 'experiments',
      text: 'SELECT id, organization_id, group_id, ingest FROM rollouts WHERE id = ANY ($1::uuid[]) AND started_at IS NOT NULL',
      values: [[ROLLOUT]],
    });
    const unit = `ON CONFLICT (experiment_id, phase, arm, unit) DO UPDATE SET first_at = least(t.first_at, excluded.first_at), ${added}`;
    await insert(shipper, 'experiment_units', ROWS['experiment_units']!, unit);
    const totals =
      'ON CONFLICT (experiment_id, phase, arm, gateway_id) DO UPDATE SET requests = t.requests + excluded.requests';
    await insert(shipper, 'experiment_totals', ROWS['experiment_totals']!, totals);
    const inference_id = randomUUID();
    await insert(shipper, 'experiment_inferences', { ...ROWS['experiment_inferences']!, inference_id });
    await insert(shipper, 'shadow_pairs', { ...ROWS['shadow_pairs']!, shadow_id: randomUUID(), inference_id });
    await insert(shipper, 'feedback', { ...ROWS['feedback']!, id: randomUUID(), inference_id });
    await shipper.query('COMMIT');
  };
  await store();
  await migrate(database.url);
  await store();
  const admin = await connect();
  expect(await rowsOf(admin, 'experiment_units')).toMatchObject([{ requests: 9, refusals: 9, without_output: 0 }]);
  expect(await rowsOf(admin, 'experiment_totals')).toMatchObject([{ requests: 9 }]);
  for (const table of ['experiment_inferences', 'shadow_pairs', 'feedback']) {
    expect(await rowsOf(admin, table), table).toHaveLength(3);
  }
});

test('nobody who reads units and then their history is in the way of the upgrade, or in its', async () => {
  const looking = await connect();
  const watching = await connect();
  await looking.query('BEGIN');
  await looking.query('SELECT FROM experiment_units');
  const migrating = migrate(database.url, { lockTimeoutMs: 60_000 }).catch((error: unknown) => error);
  await waitFor('the migration to wait', async () => {
    const { rows } = await watching.query(`SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
    return rows.length > 0;
  });
  await looking.query(`SET LOCAL lock_timeout = '100ms'`);
  await looking.query('SELECT FROM experiment_history');
  await looking.query('COMMIT');
  expect(await migrating).toContain(FIRST_NEW);
});
