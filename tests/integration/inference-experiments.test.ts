import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileSplit, place } from '#core/split/assign.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { plantRollout } from '#tests/support/experiments.ts';
import { plantInference } from '#tests/support/planted-inferences.ts';

const HOUR = 3_600_000;
const now = Date.now();

let control: TestControlPlane;
let api: ApiClient;
let rival: ApiClient;
let groupId: string;
let experiment: string;
const planted: Record<string, string> = {};

const ids = (answer: { body: { items: { id: string }[] } }) => answer.body.items.map(({ id }) => id);
const plant = (name: string, atMs: number, row: Record<string, unknown> = {}, inGroup = groupId) =>
  plantInference(control.admin, { groupId: inGroup, organizationId: api.organizationId, atMs, row }).then((id) => {
    planted[name] = id;
    return id;
  });

beforeAll(async () => {
  control = await startTestControlPlane();
  api = await control.owner('acme');
  rival = await control.owner('rival');
  await seedGroup(api, 'demo');
  await api('POST', '/groups', { name: 'other' });
  groupId = (await api('GET', '/groups/demo')).body.id;
  const otherId = (await api('GET', '/groups/other')).body.id;
  const place = { organizationId: api.organizationId, groupId };
  const span = { startedAt: new Date(now - 5 * HOUR), endedAt: new Date(now - HOUR) };
  experiment = await plantRollout(control.admin, place, span);
  const counted = { experiment_id: experiment, experiment_phase: 2, arm: 1 };
  await plant('before', now - 9 * HOUR);
  await plant('champion', now - 4 * HOUR, { ...counted, arm: 0 });
  await plant('challenger', now - 3 * HOUR, { ...counted, cost_micro_usd: 42 });
  await plant('outside', now - 2 * HOUR);
  const mirror = {
    shadow_of: planted['champion'],
    served_reason: 'shadow',
    served_variant: null,
    assigned_variant: 'b',
  };
  await plant('mirrored', now - HOUR, { ...counted, ...mirror });
  await plant('elsewhere', now, {}, otherId);
});
afterAll(() => control.stop());

const pick = (...names: string[]) => names.map((name) => planted[name]);

describe('mirrored calls', () => {
  test('are left out of lists unless they are asked for', async () => {
    const traffic = pick('elsewhere', 'outside', 'challenger', 'champion', 'before');
    expect(ids(await api('GET', '/inferences'))).toEqual(traffic);
    expect(ids(await api('GET', '/inferences?shadow=false'))).toEqual(traffic);
    expect(ids(await api('GET', '/inferences?shadow=true'))).toEqual(pick('mirrored'));
    expect(ids(await api('GET', '/inferences?group=demo&shadow=true'))).toEqual(pick('mirrored'));
    expect(ids(await api('GET', '/inferences?group=demo&shadow=all'))).toEqual(
      pick('mirrored', 'outside', 'challenger', 'champion', 'before'),
    );
    expect(ids(await api('GET', '/inferences?variant=b&shadow=all'))).toEqual(pick('mirrored'));
    expect(await api('GET', '/inferences?shadow=maybe')).toMatchObject({ status: 422, body: { field: 'shadow' } });
  });

  test('pages are full whatever is left out of them', async () => {
    const many = await control.owner('mirrors');
    await seedGroup(many, 'mirrors');
    const id = (await many('GET', '/groups/mirrors')).body.id;
    const kept: string[] = [];
    for (let i = 0; i < 24; i++) {
      const row = i % 4 === 0 ? {} : { shadow_of: randomUUID() };
      const made = await plantInference(control.admin, {
        groupId: id,
        organizationId: many.organizationId,
        atMs: now - i,
        row,
      });
      if (i % 4 === 0) kept.push(made);
    }
    await many('POST', '/groups', { name: 'second' });
    for (const query of ['limit=4', 'limit=4&group=mirrors']) {
      const first = await many('GET', `/inferences?${query}`);
      expect(ids(first)).toEqual(kept.slice(0, 4));
      expect(ids(await many('GET', `/inferences?${query}&cursor=${first.body.nextCursor}`))).toEqual(kept.slice(4));
    }
  });

  test('are in exports unless they are left out', async () => {
    const exported = async (query: string) => {
      const answer = await fetch(`${control.url}/api/v1/inferences:export?${query}`, {
        headers: { authorization: `Bearer ${api.token}` },
      });
      return answer.text();
    };
    const lines = (text: string) =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines(await exported('group=demo')).map(({ id }) => id)).toEqual(
      pick('mirrored', 'outside', 'challenger', 'champion', 'before'),
    );
    expect(lines(await exported('group=demo&shadow=false'))).toHaveLength(4);
    const [row] = lines(await exported('shadow=true'));
    expect(row).toMatchObject({ shadowOf: planted['champion'], experiment: { id: experiment, phase: 2, arm: 1 } });
    const csv = (await exported('shadow=true&format=csv')).split('\r\n');
    expect(csv[0]).toMatch(/,experiment_id,experiment_phase,arm,shadow_of$/);
    expect(csv[1]).toMatch(new RegExp(`,${experiment},2,1,${planted['champion']}$`));
  });
});

describe('the inferences of an experiment', () => {
  test('are found by its id, mirrored ones where they are asked for', async () => {
    expect(ids(await api('GET', `/inferences?experiment=${experiment}`))).toEqual(pick('challenger', 'champion'));
    expect(ids(await api('GET', `/inferences?experiment=${experiment}&shadow=all`))).toEqual(
      pick('mirrored', 'challenger', 'champion'),
    );
    expect(ids(await api('GET', `/inferences?experiment=${experiment}&group=other`))).toEqual([]);
    const since = new Date(now - 3.5 * HOUR).toISOString();
    expect(ids(await api('GET', `/inferences?experiment=${experiment}&since=${since}`))).toEqual(pick('challenger'));
  });

  test('say where they count and what they cost', async () => {
    const { body } = await api('GET', `/inferences/${planted['challenger']}`);
    expect(body).toMatchObject({ experiment: { id: experiment, phase: 2, arm: 1 }, shadowOf: null, costMicroUsd: 42 });
    expect(body.assignmentExplained).toContain(`counts as arm 1 in phase 2 of experiment ${experiment}`);
    const outside = await api('GET', `/inferences/${planted['outside']}`);
    expect(outside.body).toMatchObject({ experiment: null, shadowOf: null, costMicroUsd: null });
  });

  test('an unknown experiment, and another organization’s, is named', async () => {
    for (const [client, id] of [
      [api, randomUUID()],
      [rival, experiment],
    ] as const) {
      const answer = await client('GET', `/inferences?experiment=${id}`);
      expect(answer).toMatchObject({ status: 422, body: { field: 'experiment' } });
    }
    expect(await api('GET', '/inferences?experiment=x')).toMatchObject({ status: 422, body: { field: 'experiment' } });
  });
});

describe('an assignment', () => {
  const assignmentOf = (unit: string, group = 'demo') =>
    api('GET', `/groups/${group}/assignment?unit=${encodeURIComponent(unit)}`);
  const split = async () => {
    const row = await control.admin
      .selectFrom('groups')
      .selectAll()
      .where('id', '=', groupId)
      .executeTakeFirstOrThrow();
    const variants = await control.admin
      .selectFrom('variants')
      .selectAll()
      .where('group_id', '=', groupId)
      .orderBy('position')
      .execute();
    return compileSplit(
      row.salt,
      row.hash_version,
      variants.map(({ ranges }) => ranges),
    );
  };

  test('is what the split says of any unit, and says why', async () => {
    const compiled = await split();
    const { configVersion } = (await assignmentOf('x')).body;
    for (const unit of ['user-1', 'Ünit ☃', ' ', ...Array.from({ length: 20 }, (_, i) => `u${i}`)]) {
      const { bucket, range, variant } = place(compiled, unit);
      const { status, body } = await assignmentOf(unit);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        ...{ unit, bucket, range: { from: range[0], to: range[1] }, variant: ['a', 'b'][variant] },
        ...{ role: ['champion', 'challenger'][variant], hashVersion: 1, experiment: null, configVersion },
      });
      expect(body.explanation).toMatch(/^(\d+ ≤ )?bucket \d+ < \d+ → (champion a|challenger b)$/);
    }
  });

  test('tells where its inferences count in the experiment of the newest configuration', async () => {
    const variants = await control.admin
      .selectFrom('variants')
      .selectAll()
      .where('group_id', '=', groupId)
      .orderBy('position')
      .execute();
    const [champion, challenger] = variants.map(({ model_id }) => model_id);
    const arms = [
      { modelId: champion, ranges: [[0, 4500]] },
      { modelId: challenger, ranges: variants[1]!.ranges },
    ];
    const running = { id: experiment, phase: 3, arms, correlationKey: null };
    const index = sql<number>`(SELECT position - 1 FROM jsonb_array_elements(document->'groups') WITH ORDINALITY AS g (entry, position)
      WHERE entry->>'id' = ${groupId})`;
    await sql`UPDATE snapshots SET document = jsonb_set(document, ARRAY['groups', ${index}::text, 'experiment'], ${JSON.stringify(running)}::jsonb)
      WHERE version = (SELECT max(version) FROM snapshots WHERE organization_id = ${api.organizationId})`.execute(
      control.admin,
    );
    const seen = new Set<number | null>();
    for (let i = 0; i < 60; i++) {
      const { body } = await assignmentOf(`user-${i}`);
      const arm = body.variant === 'b' ? 1 : body.bucket < 4500 ? 0 : null;
      seen.add(arm);
      expect(body.experiment).toEqual(arm === null ? null : { id: experiment, phase: 3, arm });
      expect(body.explanation).toContain(
        arm === null
          ? `outside of the buckets that experiment ${experiment} compares`
          : `counts as arm ${arm} in phase 3`,
      );
    }
    expect(seen).toEqual(new Set([0, 1, null]));
  });

  test('needs a unit, a group, and variants in it', async () => {
    expect(await api('GET', '/groups/demo/assignment')).toMatchObject({ status: 422, body: { field: 'unit' } });
    expect(await assignmentOf('')).toMatchObject({ status: 422, body: { field: 'unit' } });
    expect(await assignmentOf('a\0')).toMatchObject({ status: 422, body: { field: 'unit' } });
    expect(await assignmentOf('x'.repeat(1_025))).toMatchObject({ status: 422, body: { field: 'unit' } });
    expect((await assignmentOf('x', 'nobody')).status).toBe(404);
    expect((await rival('GET', '/groups/demo/assignment?unit=x')).status).toBe(404);
    expect(await assignmentOf('x', 'other')).toMatchObject({ status: 422, body: { field: 'name' } });
  });

  test('of a stored row is made again from the split of its time, and what does not fit is told', async () => {
    const compiled = await split();
    const { rows } = await sql<{ version: number }>`
      SELECT config_version AS version FROM weight_versions WHERE group_id = ${groupId}`.execute(control.admin);
    const placed = place(compiled, 'user-7');
    const fits = {
      ...{ unit: 'user-7', bucket: placed.bucket, range_from: placed.range[0], range_to: placed.range[1] },
      ...{ assigned_variant: ['a', 'b'][placed.variant]!, config_version: rows[0]!.version },
    };
    const reproduced = async (row: Record<string, unknown>) => {
      const id = await plant('again', now, { ...fits, ...row });
      return (await api('GET', `/inferences/${id}`)).body.assignment.reproduced;
    };
    expect(await reproduced({})).toBe(true);
    expect(await reproduced({ shadow_of: randomUUID(), assigned_variant: 'mirror' })).toBe(true);
    expect(await reproduced({ bucket: (placed.bucket + 1) % 10_000 })).toBe(false);
    expect(await reproduced({ assigned_variant: 'c' })).toBe(false);
    expect(await reproduced({ unit: 'user-8' })).toBe(false);
    expect(await reproduced({ hash_version: 2 })).toBe(false);
    expect(await reproduced({ config_version: 0 })).toBeNull();
  });
});
