import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import type { SinkBatch } from '#inference-log/spool.ts';
import { reportLedgers } from '#store/gateway-ledgers.ts';
import { reportGateway, stopGateway } from '#store/gateways.ts';
import { inOrganization } from '#store/pool.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';

let control: TestControlPlane;
let api: ApiClient;
let rival: ApiClient;
const groupIds: Record<string, string> = {};
const [live, stopped, dead, old] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
const MINUTE = Date.parse('2026-03-02T10:00:00Z');
const MINUTE_MS = 60_000;

async function startGateway(id: string, startedAt: Date): Promise<void> {
  await reportGateway(control.gateway, {
    ...{ id, host: 'h', pid: 1, release: '0', workers: 1, snapshotVersion: 0, keyVersion: 0, startedAt },
  });
}

/** Ships `count` rows of a gateway in one batch that ends its spool. */
async function ship(gatewayId: string, group: string, count: number, changes: Partial<SinkBatch> = {}): Promise<void> {
  const groupId = groupIds[group]!;
  const sink = createPostgresSink({ databaseUrl: control.databaseUrl });
  const rows = Array.from({ length: count }, (_, i) => ({
    ...{ id: newInferenceId(MINUTE + i * 20_000, groupId), gatewayId, request: null, response: null },
    begin: beginRecord({ groupId, organizationId: group === 'theirs' ? rival.organizationId : api.organizationId }),
    end: endRecord(i === 0 ? { outcome: 'failed', status: 502, errorCode: 'upstream_error' } : {}),
  }));
  const cursor = { scan: { segment: 2, offset: 0 }, shipped: { segment: 2, offset: 0 } };
  const batch = { spoolId: randomUUID(), gatewayId, expected: undefined, cursor, rows, dropped: [], finished: true };
  await sink.write({ ...batch, ...changes });
  await sink.close();
}

beforeAll(async () => {
  control = await startTestControlPlane();
  api = await control.owner('acme');
  rival = await control.owner('rival');
  await seedGroup(api, 'demo');
  await api('POST', '/groups', { name: 'second' });
  await rival('POST', '/groups', { name: 'theirs' });
  for (const name of ['demo', 'second']) groupIds[name] = (await api('GET', `/groups/${name}`)).body.id;
  groupIds['theirs'] = (await rival('GET', '/groups/theirs')).body.id;
  const groupId = groupIds['demo']!;
  await startGateway(dead, new Date('2026-03-01T00:00:00Z'));
  await startGateway(stopped, new Date('2026-03-02T00:00:00Z'));
  await startGateway(live, new Date('2026-03-03T00:00:00Z'));
  await reportLedgers(control.gateway, live, 1, [
    { groupId, accepted: 9, recorded: 7, dropped: { spool_write_failed: 1 } },
    { groupId: groupIds['theirs']!, accepted: 5, recorded: 5, dropped: {} },
  ]);
  await ship(live, 'demo', 5, { finished: false, dropped: [{ groupId, reason: 'bad' }] });
  await ship(live, 'theirs', 5, { finished: false });
  await reportLedgers(control.gateway, stopped, 1, [
    { groupId, accepted: 4, recorded: 4, dropped: {} },
    { groupId: groupIds['second']!, accepted: 2, recorded: 2, dropped: {} },
  ]);
  await ship(stopped, 'demo', 4);
  await ship(stopped, 'second', 1);
  await stopGateway(control.gateway, stopped);
  await reportLedgers(control.gateway, dead, 2, [{ groupId, accepted: 8, recorded: 6, dropped: {} }]);
  await ship(dead, 'demo', 3);
  await sql`UPDATE ringside.gateways SET seen_at = '2026-03-01T12:00:00Z' WHERE id = ${dead}`.execute(control.admin);
  await sql`UPDATE ringside.gateways SET seen_at = '2026-03-02T12:00:00Z', stopped_at = '2026-03-02T12:00:00Z'
    WHERE id = ${stopped}`.execute(control.admin);
  await ship(old, 'second', 2);
});
afterAll(() => control.stop());

const brief = (answer: { body: { items: { gatewayId: string; group: string }[] } }) =>
  answer.body.items.map(({ gatewayId, group }) => [gatewayId, group]);

test('each gateway and group shows both sides and whether they balance', async () => {
  const { status, body } = await api('GET', '/ledger');
  expect(status).toBe(200);
  expect(body.nextCursor).toBeNull();
  const of = (gatewayId: string, group: string) =>
    body.items.find(
      (item: { gatewayId: string; group: string }) => item.gatewayId === gatewayId && item.group === group,
    );
  expect(of(live, 'demo')).toMatchObject({
    ...{ accepted: 9, recorded: 8, inFlight: 1, interrupted: 0, stored: 5, spooled: 1, archived: 0, expired: 0 },
    ...{ dropped: { spool_write_failed: 1, dead_letter: 1 }, balance: 'open', missing: 0 },
    gateway: { host: 'h', state: 'live', stoppedAt: null },
  });
  expect(of(stopped, 'demo')).toMatchObject({
    accepted: 4,
    stored: 4,
    balance: 'balanced',
    gateway: { state: 'stopped' },
  });
  expect(of(stopped, 'second')).toMatchObject({ accepted: 2, stored: 1, spooled: 1, balance: 'gap', missing: 1 });
  // One of its two spools is still to come.
  expect(of(dead, 'demo')).toMatchObject({
    ...{ accepted: 8, stored: 3, spooled: 3, inFlight: 2, balance: 'open', gateway: { state: 'vanished' } },
  });
  expect(of(old, 'second')).toMatchObject({
    accepted: 2,
    stored: 2,
    balance: 'unreported',
    gateway: null,
    reportedAt: null,
  });
  expect(body.items).toHaveLength(5);
});

test('filters and pages, newest gateway first', async () => {
  const all = brief(await api('GET', '/ledger'));
  expect(all[0]).toEqual([live, 'demo']);
  expect(all.at(-2)).toEqual([dead, 'demo']);
  expect(all.at(-1)).toEqual([old, 'second']);
  const seen: unknown[] = [];
  let cursor: string | null = null;
  do {
    const page = await api('GET', `/ledger?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`);
    seen.push(...brief(page));
    cursor = page.body.nextCursor;
  } while (cursor !== null);
  expect(seen).toEqual(all);
  expect(brief(await api('GET', '/ledger?group=second'))).toEqual([
    [stopped, 'second'],
    [old, 'second'],
  ]);
  expect(brief(await api('GET', `/ledger?gateway=${dead}`))).toEqual([[dead, 'demo']]);
  expect(brief(await api('GET', '/ledger?group=demo&since=2026-03-02T06:00:00Z&until=2026-03-02T18:00:00Z'))).toEqual([
    [stopped, 'demo'],
  ]);
  expect(brief(await api('GET', '/ledger?group=second&until=2026-03-02T10:00:00Z'))).toEqual([[stopped, 'second']]);
  for (const [query, field] of [
    ['group=nobody', 'group'],
    ['gateway=x', 'gateway'],
    ['since=yesterday', 'since'],
    ['cursor=x', 'cursor'],
    [`cursor=${Buffer.from('"1/a/b"').toString('base64url')}`, 'cursor'],
  ]) {
    expect(await api('GET', `/ledger?${query}`)).toMatchObject({ status: 422, body: { field } });
  }
});

test('minutes say what was stored of them', async () => {
  const { body } = await api('GET', `/ledger/minutes?gateway=${live}`);
  const at = (minutes: number) => new Date(MINUTE + minutes * MINUTE_MS).toISOString();
  const place = { gatewayId: live, group: 'demo', groupId: groupIds['demo'] };
  expect(body.items).toEqual([
    { minute: at(1), ...place, stored: 2, failed: 0, interrupted: 0 },
    { minute: at(0), ...place, stored: 3, failed: 1, interrupted: 0 },
  ]);
  const all = (await api('GET', '/ledger/minutes')).body.items;
  expect(all).toHaveLength(7);
  const seen: unknown[] = [];
  let cursor: string | null = null;
  do {
    const page = await api('GET', `/ledger/minutes?limit=3${cursor === null ? '' : `&cursor=${cursor}`}`);
    seen.push(...page.body.items);
    cursor = page.body.nextCursor;
  } while (cursor !== null);
  expect(seen).toEqual(all);
  const narrow = await api('GET', `/ledger/minutes?group=demo&since=${at(1)}&until=${at(2)}`);
  expect(narrow.body.items.every(({ minute }: { minute: string }) => minute === at(1))).toBe(true);
  expect(narrow.body.items).toHaveLength(2);
});

test('an organization sees its own, also where the application asks for more', async () => {
  expect(brief(await rival('GET', '/ledger'))).toEqual([[live, 'theirs']]);
  expect((await rival('GET', '/ledger/minutes')).body.items).toHaveLength(2);
  expect((await rival('GET', '/ledger?group=demo')).status).toBe(422);
  await inOrganization(control.application, rival.organizationId, async (tx) => {
    for (const table of ['ledger', 'gateway_ledgers', 'rollups'] as const) {
      const rows = await tx.selectFrom(table).select('group_id').distinct().execute();
      expect(rows, table).toEqual([{ group_id: groupIds['theirs'] }]);
    }
  });
});
