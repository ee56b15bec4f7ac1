import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ControlPlane, startControlPlane } from '#control-plane/main.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import type { InferenceRow } from '#inference-log/record.ts';
import { createRowInserter } from '#inference-log/sinks/clickhouse/insert-rows.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import {
  type ClickHouseStore,
  createClickHouseStore,
  describeWithClickHouse,
} from '#tests/support/clickhouse-store.ts';
import {
  type ApiClient,
  createApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { type Drawn, drawnRow, KEYS } from '#tests/support/drawn-inferences.ts';
import { holdLead } from '#tests/support/hold-lead.ts';
import { plantExperiment } from '#tests/support/planted-experiment.ts';
import { CHAT_REQUEST, chatCompletion } from '#tests/support/planted-pairs.ts';
import { newInferenceId } from '#tests/support/records.ts';
import { waitFor } from '#tests/support/wait.ts';

const HOUR_MS = 3_600_000;
const NOW = Date.parse('2026-03-03T10:00:00Z');
const BEGAN = NOW - 30 * HOUR_MS;
/** Stands still while answers are compared, and goes on from then. */
let goesOnFrom: number | undefined;
const clock = { nowMs: () => NOW + (goesOnFrom === undefined ? 0 : Math.floor(performance.now() - goesOnFrom)) };

/** 300 users with two inferences each; the challenger is slower, and fails at times. */
function users(): Drawn[] {
  return Array.from({ length: 600 }, (_, index): Drawn => {
    const unit = index >> 1;
    const arm = unit % 2;
    const fails = arm === 1 && unit % 9 === 0;
    const lastedNs = 1_500_000 + (unit % 17) * 50_000 + arm * 300_000;
    const attempt = { isOther: false, status: fails ? 500 : 200, lastedNs } as const;
    return {
      ...{ arm, phase: 1, unit, key: KEYS[unit % 3]!, tenant: unit % 4 < 2 ? 'acme' : 'umbrella', streamed: false },
      ...{ outcome: fails ? 'failed' : 'completed', errorCode: fails ? 'upstream_error' : null, finishReason: 'stop' },
      attempts: [{ ...attempt, errorCode: fails ? 'upstream_error' : null }],
      ...{ inputTokens: 10, outputTokens: 20 + unit, cachedTokens: 0, costMicroUsd: 30 + arm, firstTokenNs: null },
    };
  });
}

const stopServer = await describeWithClickHouse('analyses and rollouts with the log in ClickHouse', (server) => {
  let store: ClickHouseStore;
  let control: TestControlPlane;
  let releaseLead: () => Promise<void>;
  let api: ApiClient;
  let experimentId: string;
  let inferenceId: string;
  const others: ControlPlane[] = [];
  const logged: string[] = [];

  beforeAll(async () => {
    store = await createClickHouseStore(server());
    control = await startTestControlPlane({ clock, jobTimes: { leaderRetryMs: 24 * HOUR_MS } });
    releaseLead = await holdLead(control.databaseUrl);
    api = await control.owner('acme');
    await seedGroup(api);
    const group = await control.admin.selectFrom('groups').selectAll().executeTakeFirstOrThrow();
    const place = { organizationId: api.organizationId, groupId: group.id, gatewayId: randomUUID() };
    const times = { startedAt: new Date(BEGAN - 1), endedAt: new Date(NOW) };
    experimentId = await plantExperiment(control.admin, {
      ...place,
      ...times,
      definition: { primary: { metric: 'latency' } },
    });
    const rows = users().map((one, index) =>
      drawnRow(
        one,
        { ...place, experimentId, atMs: BEGAN + index * 100_000 },
        {
          ...{ phase: group.phase, hashVersion: group.hash_version, bucket: (one.unit * 33) % 10_000 },
        },
      ),
    );
    // One with bodies, and with each kind of column.
    const [first, ...rest] = rows as [InferenceRow, ...InferenceRow[]];
    const bodies = { request: Buffer.from(CHAT_REQUEST), response: Buffer.from(chatCompletion('é')) };
    inferenceId = first.id;
    await ship([{ ...first, ...bodies }, ...rest], place.gatewayId);
    const report = { organization_id: api.organizationId, key_id: randomUUID(), gateway_id: place.gatewayId };
    const when = { received_at: new Date(NOW - HOUR_MS), at: new Date(NOW - HOUR_MS) };
    await control.admin
      .insertInto('feedback')
      .values(
        rows.map(({ id }, index) => ({
          ...{ ...report, ...when, id: `f${index}`, inference_id: id },
          ...{ metric: 'rating', kind: 'numeric' as const, value: (index % 5) + 0.1 },
        })),
      )
      .execute();
  });
  afterAll(async () => {
    await releaseLead();
    await control.stop();
    await store.close();
  });

  const stopOthers = async () => {
    for (const other of others.splice(0)) await other.stop();
  };
  afterEach(stopOthers);

  /** Into both stores, counted once. */
  const ship = async (rows: readonly InferenceRow[], gatewayId: string) => {
    const cursor = { scan: { segment: 2, offset: 0 }, shipped: { segment: 2, offset: 0 } };
    const batch = { spoolId: randomUUID(), gatewayId, expected: undefined, cursor, rows, dropped: [], finished: true };
    const sink = createPostgresSink({ databaseUrl: control.databaseUrl });
    await sink.write(batch);
    await sink.close();
    await createRowInserter(store.client).insert(batch, '');
  };

  /** Another control plane on the same database, with the log in ClickHouse. */
  const startOther = async (port: number): Promise<ApiClient> => {
    const { databaseUrl, keyring, pepper } = control;
    const other = await startControlPlane({
      ...{ databaseUrl, keyring, pepper, clock, host: '127.0.0.1', port: 0, servedWaitMs: 100 },
      ...{ privateUpstreams: parseAddressPolicy('127.0.0.0/8'), clickhouse: { ...store.address, port } },
      ...{ jobTimes: { leaderRetryMs: 100, rolloutsMs: 100 }, log: (line) => void logged.push(line) },
    });
    others.push(other);
    return createApiClient(elsewhereUrl(), api.token, api.organizationId);
  };

  const elsewhereUrl = () => `http://127.0.0.1:${others.at(-1)!.port}`;

  const needRows = () => {
    const since = new Date(BEGAN).toISOString();
    return [
      ...['key', 'version', 'metadata.tenant'].map((by) => `/experiments/${experimentId}/breakdown?by=${by}`),
      ...['latency', 'rating'].map((metric) => `/groups/demo/planner?metric=${metric}&days=7`),
      `/groups/demo/replay?weights=a%3D5000,b%3D5000&since=${since}`,
      `/inferences/${inferenceId}`,
    ];
  };
  const doWithout = () => {
    const since = new Date(BEGAN).toISOString();
    return [`/groups/demo/comparison?since=${since}`, `/groups/demo/split?step=60&since=${since}`];
  };
  const ask = async (client: ApiClient, path: string) => {
    const { status, body } = await client('GET', path);
    expect(status, `${path}: ${JSON.stringify(body)}`).toBe(200);
    return body;
  };

  test('each answer is the one that PostgreSQL gave, when the rows are in ClickHouse alone', async () => {
    const paths = [...needRows(), ...doWithout()];
    const expected = new Map<string, unknown>();
    for (const path of paths) expected.set(path, await ask(api, path));
    for (const table of ['inferences', 'inference_payloads'] as const) await control.admin.deleteFrom(table).execute();
    expect(await ask(api, paths[0]!)).not.toEqual(expected.get(paths[0]!));
    const elsewhere = await startOther(store.address.port);
    for (const path of paths) expect(await ask(elsewhere, path), path).toEqual(expected.get(path));
    expect(expected.get(`/inferences/${inferenceId}`)).toMatchObject({ answer: expect.anything() });
    // What no list of PostgreSQL has is not said to be nowhere; and it is nobody else's.
    expect(await ask(api, '/inferences')).toMatchObject({ items: [], notice: null });
    const inClickHouse = expect.stringContaining('in ClickHouse');
    expect(await ask(elsewhere, '/inferences')).toMatchObject({ items: [], notice: inClickHouse });
    expect((await elsewhere('GET', '/inferences:export')).headers.get('x-ringside-notice')).toEqual(inClickHouse);
    expect((await elsewhere('GET', `/inferences/${newInferenceId()}`)).status).toBe(404);
    const rival = await control.owner('rival');
    const theirs = createApiClient(elsewhereUrl(), rival.token, rival.organizationId);
    expect((await theirs('GET', `/inferences/${inferenceId}`)).status).toBe(404);
  });

  test('while ClickHouse is away: a 503 that says so, and where; what does without rows says that it does', async () => {
    const lost = await startOther(1);
    for (const path of needRows()) {
      const { status, body, headers } = await lost('GET', path);
      expect([status, headers.get('retry-after')], path).toEqual([503, '5']);
      expect(body.detail).toContain('in ClickHouse, which cannot be reached: ECONNREFUSED');
      expect(body.detail).not.toContain('127.0.0.1');
    }
    expect(logged.join('\n')).toContain('ClickHouse at 127.0.0.1:1 cannot be reached');
    const [comparison, split] = [await ask(lost, doWithout()[0]!), await ask(lost, doWithout()[1]!)];
    expect(comparison).toMatchObject({ source: 'rollups', notice: expect.stringContaining('cannot be reached') });
    expect(split.notes).toEqual([expect.stringContaining('which cannot be reached')]);
  });

  test('a start that needs the past waits for ClickHouse, and then has it', async () => {
    const lost = await startOther(1);
    await releaseLead();
    goesOnFrom = performance.now();
    const rollout = (name: string, plan: object, experiment: object) =>
      ({ name, group: 'demo', challengers: ['b'], start: true, plan, experiment }) as const;
    const direct = rollout('at-once', { strategy: { kind: 'direct' } }, {});
    expect(await lost('POST', '/rollouts', direct)).toMatchObject({ status: 503 });
    const capped = { primary: { metric: 'latency' }, winsorizeAt: 0.95 };
    const made = await lost(
      'POST',
      '/rollouts',
      rollout('capped', { strategy: { kind: 'ab' }, intervalMs: 500 }, capped),
    );
    expect(made, JSON.stringify(made.body)).toMatchObject({ status: 201, body: { state: 'draft' } });
    const isSaid = () =>
      logged.some((line) => /^rollout .* LogUnavailableError: ClickHouse at .* cannot be/.test(line));
    await waitFor('the word about it', async () => isSaid());
    const show = async (id: string) =>
      control.admin.selectFrom('rollouts').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    expect((await show(made.body.id)).state).toBe('draft');
    await waitFor('the draft to say so', async () => {
      const { waitsFor } = (await lost('GET', '/rollouts/capped')).body;
      return /^The log, which its start asks: .*ClickHouse, which has its rows, cannot be reached/.test(waitsFor);
    });
    await stopOthers();

    const there = await startOther(store.address.port);
    const row = await waitFor('its start and its history', async () => {
      const found = await show(made.body.id);
      return found.memory['historyRead'] === true && found;
    });
    // The 95 % quantile of the champion's, in microseconds.
    expect(row).toMatchObject({ ingest: { caps: { latency_us: 2_300, output_tokens: 304 } } });
    const kept = control.admin.selectFrom('experiment_history').selectAll().where('experiment_id', '=', made.body.id);
    expect(await kept.execute()).toHaveLength(283);
    expect(await there('POST', '/rollouts/capped/abort', {})).toMatchObject({ status: 200 });
    const started = await there('POST', '/rollouts', direct);
    expect(started, JSON.stringify(started.body)).toMatchObject({ status: 201 });
    expect((await show(started.body.id)).ingest.championHistory).toMatchObject({ units: 150, failingUnits: 0 });
  });
});
afterAll(stopServer);
