import { createHash, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { joinFeedback } from '#control-plane/feedback/join.ts';
import { createFeedbackExpiryJob, createFeedbackJob } from '#control-plane/jobs/feedback.ts';
import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { createInferenceId, createRandomPool, groupHashOf } from '#core/ids.ts';
import { labelDelays } from '#store/feedback.ts';
import { createPool, type Db, inOrganization } from '#store/pool.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { plantInference } from '#tests/support/planted-inferences.ts';
import { waitFor } from '#tests/support/wait.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const BEFORE = new Date(Date.now() - 100 * DAY_MS);
const pool = createRandomPool();
const unitOf = (name: string) => {
  const hex = createHash('md5').update(name).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
};

let control: TestControlPlane;
let api: ApiClient;
let rival: ApiClient;
let leader: Db;
let groupId: string;
let rivalGroupId: string;
let otherGroupId: string;
let keyId: string;
let scopedKeyId: string;
beforeAll(async () => {
  // The jobs of this control plane are idle: the tests join by themselves.
  control = await startTestControlPlane({ jobTimes: { feedbackMs: DAY_MS, expiryMs: DAY_MS } });
  api = await control.owner('acme');
  rival = await control.owner('rival');
  await seedGroup(api, 'demo');
  groupId = (await api('GET', '/groups/demo')).body.id;
  otherGroupId = (await api('POST', '/groups', { name: 'other' })).body.id;
  await seedGroup(rival, 'theirs');
  rivalGroupId = (await rival('GET', '/groups/theirs')).body.id;
  keyId = (await api('POST', '/keys', { name: 'all' })).body.id;
  scopedKeyId = (await api('POST', '/keys', { name: 'some', groups: ['other'] })).body.id;
  leader = createPool({
    ...{ databaseUrl: control.databaseUrl, role: 'leader', maxConnections: 4, applicationName: 'test joiner' },
  });
});
afterAll(async () => {
  await leader.destroy();
  await control.stop();
});
beforeEach(async () => {
  for (const table of [
    'feedback',
    'experiment_unit_metrics',
    'experiment_inferences',
    'experiment_totals',
    'rollouts',
  ]) {
    await sql.raw(`DELETE FROM ringside.${table}`).execute(control.admin);
  }
});

async function plantExperiment(changes: Record<string, unknown> = {}, owner = api.organizationId): Promise<string> {
  const id = randomUUID();
  const row = {
    ...{ id, organization_id: owner, group_id: groupId, name: id, plan: '{}', arms: '[]', state: 'ramping' },
    definition: JSON.stringify(experimentDefinitionSchema.parse(changes)),
  };
  await control.admin
    .insertInto('rollouts')
    .values({ ...row, created_at: BEFORE, started_at: BEFORE } as never)
    .execute();
  return id;
}

interface PlantedPlace {
  readonly experimentId: string;
  readonly arm?: number;
  readonly phase?: number;
  readonly unit?: string;
  readonly atMs?: number;
  readonly correlation?: string;
  readonly shadowOf?: string;
  readonly group?: string;
  readonly owner?: string;
}

/** An inference that counts in an experiment. @returns its id */
async function plantPlace({ experimentId, arm = 1, phase = 1, unit = 'ann', ...more }: PlantedPlace): Promise<string> {
  const { atMs = Date.now() - 5_000, correlation = null, shadowOf = null } = more;
  const group = more.group ?? groupId;
  const id = createInferenceId(atMs, groupHashOf(group), pool);
  await control.admin
    .insertInto('experiment_inferences')
    .values({
      ...{ inference_id: id, experiment_id: experimentId, organization_id: more.owner ?? api.organizationId },
      ...{ group_id: group, phase, arm, unit: unitOf(unit), correlation, shadow_of: shadowOf },
      created_at: new Date(atMs),
    })
    .execute();
  return id;
}

let count = 0;
interface Reported {
  readonly inference_id?: string | null;
  readonly correlation?: string;
  readonly [column: string]: unknown;
}

async function report(changes: Reported): Promise<string> {
  const id = `r-${++count}`;
  const now = new Date();
  const row = {
    ...{ organization_id: api.organizationId, id, metric: 'csat', kind: 'numeric', value: '1', key_id: keyId },
    ...{
      inference_id: null,
      correlation: null,
      label: null,
      comment: null,
      gateway_id: randomUUID(),
      at: now,
      received_at: now,
    },
    next_at: new Date(now.getTime() - 1_000),
    ...changes,
  };
  await control.admin
    .insertInto('feedback')
    .values(row as never)
    .execute();
  return id;
}

const join = async (limit = 100) => joinFeedback(leader, { limit });
const stateOf = (id: string) =>
  control.admin.selectFrom('feedback').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const sums = async () => {
  const rows = await control.admin
    .selectFrom('experiment_unit_metrics')
    .selectAll()
    .orderBy('metric')
    .orderBy('unit')
    .execute();
  return rows.map(({ phase, arm, metric, unit, n, sum }) => ({ phase, arm, metric, unit, n, sum }));
};

describe('what a report adds to its unit', () => {
  test('numbers and booleans add up exactly; comments add nothing', async () => {
    const experimentId = await plantExperiment();
    const [a, b] = [await plantPlace({ experimentId }), await plantPlace({ experimentId })];
    await report({ inference_id: a, value: '0.1' });
    await report({ inference_id: b, value: '0.2' });
    await report({ inference_id: b, value: '1e12' });
    await report({ inference_id: a, metric: 'thumbs_up', kind: 'boolean', value: '1', comment: 'yes' });
    await report({ inference_id: b, metric: 'thumbs_up', kind: 'boolean', value: '0' });
    const comment = await report({ inference_id: b, kind: 'comment', value: null, comment: 'hm' });
    expect(await join()).toEqual({ taken: 6, joined: 6, unmatched: 0 });
    const place = { phase: 1, arm: 1, unit: unitOf('ann') };
    expect(await sums()).toEqual([
      { ...place, metric: 'csat', n: 3, sum: '1000000000000.3' },
      { ...place, metric: 'thumbs_up', n: 2, sum: '1' },
    ]);
    expect(await stateOf(comment)).toMatchObject({ state: 'joined', experiment_id: experimentId, phase: 1, arm: 1 });
    expect(await join()).toEqual({ taken: 0, joined: 0, unmatched: 0 });
  });

  test('a label adds to every share that the experiment asks for, and to no other', async () => {
    const experimentId = await plantExperiment({
      primary: { metric: 'topic=good', direction: 'increase' },
      guardrails: [
        { metric: 'topic=bad', direction: 'decrease', margin: 0.1 },
        { metric: 'other=x', margin: 1 },
      ],
    });
    const inference = await plantPlace({ experimentId, arm: 0 });
    for (const label of ['good', 'good', 'bad', 'odd']) {
      await report({ inference_id: inference, metric: 'topic', kind: 'label', value: null, label });
    }
    await join();
    expect((await sums()).map(({ metric, n, sum }) => [metric, n, sum])).toEqual([
      ['topic=bad', 4, '1'],
      ['topic=good', 4, '2'],
    ]);
  });

  test('a mirrored call is joined and adds nothing', async () => {
    const experimentId = await plantExperiment();
    const inference = await plantPlace({ experimentId, shadowOf: randomUUID() });
    const id = await report({ inference_id: inference });
    await join();
    expect(await stateOf(id)).toMatchObject({ state: 'joined', is_shadow: true, experiment_id: experimentId, arm: 1 });
    expect(await sums()).toEqual([]);
  });

  test('days later it counts in the phase that it belongs to, closed or not, up to the end of the window', async () => {
    const experimentId = await plantExperiment({ attributionHours: 72 });
    const now = Date.now();
    const inTime = await report({
      inference_id: await plantPlace({ experimentId, phase: 2, atMs: now - 71 * HOUR_MS }),
    });
    const late = await report({ inference_id: await plantPlace({ experimentId, atMs: now - 73 * HOUR_MS }) });
    const lateButObservedInTime = await report({
      inference_id: await plantPlace({ experimentId, phase: 3, atMs: now - 80 * HOUR_MS }),
      at: new Date(now - 20 * HOUR_MS),
    });
    expect(await join()).toMatchObject({ joined: 3 });
    expect((await sums()).map(({ phase, n }) => [phase, n])).toEqual([
      [2, 1],
      [3, 1],
    ]);
    const { delay_ms: delayMs, ...joined } = await stateOf(inTime);
    expect(joined).toMatchObject({ experiment_id: experimentId, phase: 2, joined_at: expect.any(Date) });
    expect(Math.abs(delayMs! - 71 * HOUR_MS)).toBeLessThan(60_000);
    expect(await stateOf(late)).toMatchObject({ state: 'joined', experiment_id: null, phase: null, arm: null });
    expect(await stateOf(lateButObservedInTime)).toMatchObject({ experiment_id: experimentId, phase: 3 });
  });
});

describe('which inference a report means', () => {
  test('by correlation: the newest that was there when it came, mirrored calls left out', async () => {
    const experimentId = await plantExperiment();
    const now = Date.now();
    await plantPlace({ experimentId, correlation: 't-1', atMs: now - 3 * HOUR_MS, unit: 'old' });
    const meant = await plantPlace({ experimentId, correlation: 't-1', atMs: now - 2 * HOUR_MS, unit: 'new' });
    await plantPlace({ experimentId, correlation: 't-1', atMs: now - 100, unit: 'later' });
    await plantPlace({ experimentId, correlation: 't-1', atMs: now - 90 * 60_000, shadowOf: meant });
    const id = await report({ correlation: 't-1', received_at: new Date(now - HOUR_MS), at: new Date(now - HOUR_MS) });
    await join();
    expect(await stateOf(id)).toMatchObject({ inference_id: meant, experiment_id: experimentId });
    expect((await sums()).map(({ unit }) => unit)).toEqual([unitOf('new')]);
  });

  test('by correlation: only in groups that the reporting key may use, and in its organization', async () => {
    const experimentId = await plantExperiment();
    await plantPlace({ experimentId, correlation: 't-2' });
    await plantPlace({ experimentId, correlation: 't-2', owner: rival.organizationId, group: rivalGroupId });
    const scoped = await report({ correlation: 't-2', key_id: scopedKeyId });
    const nobodys = await report({ correlation: 't-3' });
    expect(await join()).toEqual({ taken: 2, joined: 0, unmatched: 0 });
    expect(await stateOf(scoped)).toMatchObject({ state: 'pending', inference_id: null });
    expect(await stateOf(nobodys)).toMatchObject({ state: 'pending' });
    const own = await plantPlace({ experimentId, correlation: 't-2', group: otherGroupId });
    await sql`UPDATE ringside.feedback SET next_at = now()`.execute(control.admin);
    await join();
    expect(await stateOf(scoped)).toMatchObject({ state: 'joined', inference_id: own });
  });

  test('by id: one of a group that the reporting key may not use is unmatched, counted or stored', async () => {
    const experimentId = await plantExperiment();
    const stored = { organizationId: api.organizationId, atMs: Date.now() - 1_000 };
    const forbidden = [
      await plantPlace({ experimentId }),
      await plantInference(control.admin, { ...stored, groupId }),
      createInferenceId(Date.now(), groupHashOf(groupId), pool),
    ];
    const own = [
      await plantPlace({ experimentId, group: otherGroupId }),
      await plantInference(control.admin, { ...stored, groupId: otherGroupId }),
    ];
    const reportAll = async (ids: readonly string[]) =>
      Promise.all(ids.map((id) => report({ inference_id: id, key_id: scopedKeyId })));
    const [refused, taken] = [await reportAll(forbidden), await reportAll(own)];
    const elsewhere = { organizationId: api.organizationId, groupId, isShadow: false, createdAt: new Date() };
    const findElsewhere = async () => [{ ...elsewhere, id: forbidden[2]! }];
    expect(await joinFeedback(leader, { limit: 10, findElsewhere })).toEqual({ taken: 5, joined: 2, unmatched: 3 });
    for (const id of refused) expect(await stateOf(id)).toMatchObject({ state: 'unmatched', experiment_id: null });
    for (const id of taken) expect(await stateOf(id)).toMatchObject({ state: 'joined' });
    expect((await sums()).map(({ n }) => n)).toEqual([1]);
  });

  test("another organization's inference is not there, counted or stored", async () => {
    const experimentId = await plantExperiment();
    const theirs = await plantPlace({ experimentId, owner: rival.organizationId, group: rivalGroupId });
    const plain = await plantInference(control.admin, {
      ...{ groupId: rivalGroupId, organizationId: rival.organizationId, atMs: Date.now() - 1_000 },
    });
    const ids = [await report({ inference_id: theirs }), await report({ inference_id: plain })];
    expect(await join()).toMatchObject({ taken: 2, joined: 0 });
    for (const id of ids) expect(await stateOf(id)).toMatchObject({ state: 'pending' });
    expect(await sums()).toEqual([]);
  });

  test('one of no experiment is joined when the log has it', async () => {
    const place = { groupId, organizationId: api.organizationId, atMs: Date.now() - 90_000 };
    const inference = await plantInference(control.admin, place);
    const mirrored = await plantInference(control.admin, { ...place, row: { shadow_of: inference } });
    const [id, shadow] = [await report({ inference_id: inference }), await report({ inference_id: mirrored })];
    expect(await join()).toMatchObject({ joined: 2 });
    expect(await stateOf(id)).toMatchObject({ state: 'joined', experiment_id: null, is_shadow: false });
    expect((await stateOf(id)).delay_ms).toBeGreaterThanOrEqual(90_000);
    expect(await stateOf(shadow)).toMatchObject({ state: 'joined', is_shadow: true });
  });

  test('one whose rows are in another store is asked for there; while that is away, nothing is given up', async () => {
    const place = { groupId, organizationId: api.organizationId };
    const [known, foreign, unknown] = [1_000, 2_000, 3_000].map((ago) =>
      createInferenceId(Date.now() - ago, groupHashOf(groupId), pool),
    ) as [string, string, string];
    const old = { received_at: new Date(Date.now() - 30 * DAY_MS) };
    const reports: string[] = [];
    for (const id of [known, foreign, unknown]) reports.push(await report({ ...old, inference_id: id }));
    const troubles: unknown[] = [];
    const onTrouble = (error: unknown) => troubles.push(error);
    const away = async () => Promise.reject(new Error('away'));
    const waits = { taken: 3, joined: 0, unmatched: 0 };
    expect(await joinFeedback(leader, { limit: 10, findElsewhere: away, onTrouble })).toEqual(waits);
    expect(troubles).toHaveLength(1);
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const job = createFeedbackJob({ db: leader, everyMs: 1, random: () => 0, log, findElsewhere: away });
    for (let run = 0; run < 3; run++) {
      await sql`UPDATE ringside.feedback SET next_at = now()`.execute(control.admin);
      await job.run(new AbortController().signal);
    }
    expect(lines).toEqual([expect.stringMatching(/does not answer: away/)]);
    await sql`UPDATE ringside.feedback SET next_at = now()`.execute(control.admin);
    const found = { groupId, isShadow: false, createdAt: new Date() };
    const findElsewhere = async ({ groupIds, ids }: { groupIds: readonly string[]; ids: readonly string[] }) => {
      expect(groupIds).toEqual([place.groupId]);
      expect(ids.toSorted()).toEqual([known, foreign, unknown].toSorted());
      return [
        { ...found, id: known, organizationId: api.organizationId },
        { ...found, id: foreign, organizationId: rival.organizationId },
      ];
    };
    expect(await joinFeedback(leader, { limit: 10, findElsewhere })).toEqual({ taken: 3, joined: 1, unmatched: 2 });
    expect(await stateOf(reports[0]!)).toMatchObject({ state: 'joined', experiment_id: null });
  });

  test('one that is stored while it is looked for counts in its experiment', async () => {
    const experimentId = await plantExperiment();
    const inference = createInferenceId(Date.now(), groupHashOf(groupId), pool);
    const id = await report({ inference_id: inference });
    // Behind the look at where inferences count, and before the one into the log.
    const findElsewhere = async () => {
      await control.admin
        .insertInto('experiment_inferences')
        .values({
          ...{ inference_id: inference, experiment_id: experimentId, organization_id: api.organizationId, arm: 1 },
          ...{
            group_id: groupId,
            phase: 1,
            unit: unitOf('ann'),
            correlation: null,
            shadow_of: null,
            created_at: new Date(),
          },
        })
        .execute();
      return [{ id: inference, organizationId: api.organizationId, groupId, isShadow: false, createdAt: new Date() }];
    };
    expect(await joinFeedback(leader, { limit: 10, findElsewhere })).toMatchObject({ joined: 1 });
    expect(await stateOf(id)).toMatchObject({ state: 'joined', experiment_id: experimentId, arm: 1 });
    expect(await sums()).toMatchObject([{ metric: 'csat', n: 1, sum: '1' }]);
  });

  test('one that is not stored yet is looked for again after growing waits, and given up when its time has passed', async () => {
    await plantExperiment({ attributionHours: 24 * 20 });
    const inference = createInferenceId(Date.now(), groupHashOf(groupId), pool);
    const received = (ms: number) => new Date(Date.now() - ms);
    const ages = [100, 600_000, 10 * DAY_MS, 19 * DAY_MS, 21 * DAY_MS];
    const ids: string[] = [];
    for (const age of ages) ids.push(await report({ inference_id: inference, received_at: received(age) }));
    expect(await join()).toEqual({ taken: 5, joined: 0, unmatched: 1 });
    const rows = await Promise.all(ids.map(stateOf));
    expect(rows.map(({ state }) => state)).toEqual(['pending', 'pending', 'pending', 'pending', 'unmatched']);
    const waits = rows.slice(0, 4).map(({ next_at: next }) => Math.round((next.getTime() - Date.now()) / 1_000));
    for (const [index, expected] of [1, 600, 3_600, 3_600].entries()) {
      expect(Math.abs(waits[index]! - expected)).toBeLessThan(20);
    }
    expect(await join()).toMatchObject({ taken: 0 });
  });
});

describe('exactly once', () => {
  const REPORTS = 60;
  const plantMany = async () => {
    const experimentId = await plantExperiment();
    for (let i = 0; i < REPORTS; i++) {
      const inference = await plantPlace({ experimentId, unit: `unit-${i % 7}`, arm: i % 2 });
      await report({ inference_id: inference, value: '0.1' });
    }
  };
  const expectOnce = async () => {
    const rows = await sums();
    expect(rows.reduce((sum, { n }) => sum + n, 0)).toBe(REPORTS);
    for (const { n, sum } of rows) expect(sum).toBe((n / 10).toFixed(1));
    const { rows: pending } = await sql<{ n: number }>`
      SELECT count(*) AS n FROM ringside.feedback WHERE state <> 'joined'`.execute(control.admin);
    expect(pending[0]!.n).toBe(0);
  };

  test('several joiners at once share the work', async () => {
    await plantMany();
    const joiners = Array.from({ length: 4 }, async () => {
      const job = createFeedbackJob({ db: leader, everyMs: 1, random: () => 0, log: () => {}, stepRows: 5 });
      for (let round = 0; round < 10; round++) await job.run(new AbortController().signal);
    });
    await Promise.all(joiners);
    await expectOnce();
  });

  // Each statement of the transaction fails once behind its work, and once the connection breaks before the commit.
  test.each([
    'INSERT ON ringside.experiment_unit_metrics',
    'UPDATE ON ringside.feedback',
  ])('a joiner that is killed at %s leaves nothing half done', async (event) => {
    await plantMany();
    for (const crash of [`RAISE EXCEPTION 'a crash'`, 'PERFORM pg_terminate_backend(pg_backend_pid())']) {
      for (const when of [`AFTER ${event}`, `CONSTRAINT`]) {
        const trigger =
          when === 'CONSTRAINT'
            ? `CREATE CONSTRAINT TRIGGER crash AFTER ${event} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW`
            : `CREATE TRIGGER crash ${when} FOR EACH STATEMENT`;
        await sql
          .raw(`CREATE OR REPLACE FUNCTION public.crash() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
              $$ BEGIN ${crash}; RETURN NULL; END $$`)
          .execute(control.admin);
        await sql.raw(`${trigger} EXECUTE FUNCTION public.crash()`).execute(control.admin);
        await expect(join(7)).rejects.toThrow();
        expect(await sums()).toEqual([]);
        await sql.raw(`DROP TRIGGER crash ON ${event.split(' ON ')[1]}`).execute(control.admin);
      }
    }
    while ((await join(7)).taken > 0);
    await expectOnce();
  });
});

test('delays, coverage and what is missing are told by metric and arm', async () => {
  const experimentId = await plantExperiment();
  const totals = { experiment_id: experimentId, phase: 1, organization_id: api.organizationId, failures: 0 };
  for (const [arm, requests] of [
    [0, 40],
    [1, 10],
  ] as const) {
    await control.admin
      .insertInto('experiment_totals')
      .values({
        ...totals,
        arm,
        gateway_id: randomUUID(),
        units: 1,
        failing_units: 0,
        requests,
        last_at: new Date(),
        latency: '{}',
        first_token: '{}',
      })
      .execute();
  }
  const now = Date.now();
  for (let i = 1; i <= 10; i++) {
    const inference = await plantPlace({ experimentId, arm: 0, atMs: now - i * 1_000 });
    await report({ inference_id: inference, at: new Date(now) });
    if (i === 1) await report({ inference_id: inference, at: new Date(now) });
  }
  await report({ inference_id: await plantPlace({ experimentId, arm: 1, atMs: now - 500 }), at: new Date(now) });
  await report({ inference_id: await plantPlace({ experimentId, arm: 1, shadowOf: randomUUID() }) });
  await report({ correlation: 'nobody' });
  await report({ correlation: 'nobody', received_at: new Date(now - 8 * DAY_MS), metric: 'thumbs_up' });
  await join();
  const delays = await inOrganization(control.application, api.organizationId, (tx) => labelDelays(tx, experimentId));
  expect(delays).toEqual({
    arms: [
      {
        ...{ metric: 'csat', arm: 0, reports: 11, reported: 10, inferences: 40, coverage: 0.25 },
        delayMs: { p50: 5_000, p90: 9_000, p99: 10_000 },
      },
      {
        ...{ metric: 'csat', arm: 1, reports: 1, reported: 1, inferences: 10, coverage: 0.1 },
        delayMs: { p50: 500, p90: 500, p99: 500 },
      },
    ],
    unjoined: [
      { metric: 'csat', pending: 1, unmatched: 0 },
      { metric: 'thumbs_up', pending: 0, unmatched: 1 },
    ],
  });
  const theirs = await inOrganization(control.application, rival.organizationId, (tx) => labelDelays(tx, experimentId));
  expect(theirs).toEqual({ arms: [], unjoined: [] });
});

test('what is too old is removed in small steps: places of inferences, and reports', async () => {
  const experimentId = await plantExperiment({ attributionHours: 48 });
  const now = Date.now();
  const kept = await plantPlace({ experimentId, atMs: now - 71 * HOUR_MS });
  for (let i = 0; i < 5; i++) await plantPlace({ experimentId, atMs: now - 74 * HOUR_MS });
  const young = await report({ inference_id: kept, received_at: new Date(now - 399 * DAY_MS) });
  for (let i = 0; i < 5; i++) await report({ inference_id: kept, received_at: new Date(now - 401 * DAY_MS) });
  const lines: string[] = [];
  const job = createFeedbackExpiryJob({
    ...{ db: leader, everyMs: 1, random: () => 0, stepRows: 2, log: (line) => void lines.push(line) },
  });
  await job.run(new AbortController().signal);
  const places = await control.admin.selectFrom('experiment_inferences').select('inference_id').execute();
  expect(places.map(({ inference_id: id }) => id)).toEqual([kept]);
  const reports = await control.admin.selectFrom('feedback').select('id').execute();
  expect(reports.map(({ id }) => id)).toEqual([young]);
  expect(lines.join()).toMatch(/where 5 inferences count.*removed 5 reports/);
});

describe('the control API', () => {
  test('lists reports in pages, by inference, experiment, metric and state; an inference shows its own', async () => {
    const experimentId = await plantExperiment();
    const place = { groupId, organizationId: api.organizationId, atMs: Date.now() - 90_000 };
    const plain = await plantInference(control.admin, place);
    const counted = await plantPlace({ experimentId });
    const made = [
      await report({ inference_id: plain, metric: 'thumbs_up', kind: 'boolean', value: '0', comment: 'no' }),
      await report({ inference_id: counted, value: '4.5' }),
      await report({ inference_id: counted, metric: 'topic', kind: 'label', value: null, label: 'ok' }),
      await report({ correlation: 'nobody' }),
    ];
    await join();
    const ids = async (query: string) => {
      const answer = await api('GET', `/feedback?${query}`);
      expect(answer.status).toBe(200);
      return answer.body.items.map(({ id }: { id: string }) => id);
    };
    expect((await ids('')).toSorted()).toEqual(made.toSorted());
    expect(await ids(`inference=${plain}`)).toEqual([made[0]]);
    expect(await ids(`experiment=${experimentId}&metric=csat`)).toEqual([made[1]]);
    expect(await ids('state=pending')).toEqual([made[3]]);
    expect((await api('GET', '/feedback?state=odd')).status).toBe(422);
    expect((await rival('GET', '/feedback')).body.items).toEqual([]);
    const paged: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await api('GET', `/feedback?limit=1${cursor === null ? '' : `&cursor=${cursor}`}`);
      paged.push(...page.body.items.map(({ id }: { id: string }) => id));
      cursor = page.body.nextCursor;
    } while (cursor !== null);
    expect(paged).toEqual(await ids(''));
    const detail = await api('GET', `/inferences/${plain}`);
    expect(detail.body.feedback).toMatchObject([
      { id: made[0], kind: 'boolean', value: false, comment: 'no', state: 'joined', experimentId: null },
    ]);
  });
});

test('the leader joins by itself', async () => {
  const busy = await startTestControlPlane({ jobTimes: { feedbackMs: 20, leaderRetryMs: 50 } });
  try {
    const owner = await busy.owner('acme');
    await seedGroup(owner, 'demo');
    const group = (await owner('GET', '/groups/demo')).body.id;
    const place = { groupId: group, organizationId: owner.organizationId, atMs: Date.now() - 1_000 };
    const inference = await plantInference(busy.admin, place);
    const key = (await owner('POST', '/keys', { name: 'all' })).body.id;
    const now = new Date();
    await busy.admin
      .insertInto('feedback')
      .values({
        ...{ organization_id: owner.organizationId, id: 'x', inference_id: inference, metric: 'csat', kind: 'numeric' },
        ...{ value: 1, key_id: key, gateway_id: randomUUID(), at: now, received_at: now },
      } as never)
      .execute();
    await waitFor('the report to be joined', async () => {
      const row = await busy.admin.selectFrom('feedback').select('state').executeTakeFirstOrThrow();
      return row.state === 'joined';
    });
  } finally {
    await busy.stop();
  }
});
