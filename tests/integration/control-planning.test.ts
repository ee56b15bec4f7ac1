import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bucketOf } from '#core/split/bucket.ts';
import { sipKeyFromHex } from '#core/split/siphash.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { withDocumentedAnswers } from '#tests/support/openapi-answers.ts';
import { plantInference } from '#tests/support/planted-inferences.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const now = Date.now();
const since = new Date(now - 2 * DAY).toISOString();

let control: TestControlPlane;
let api: ApiClient;
let rival: ApiClient;
let groupId: string;

/** 300 units, one inference a day on each of two days; b is slower, dearer and fails at times. */
beforeAll(async () => {
  control = await startTestControlPlane();
  api = await withDocumentedAnswers(control.url, await control.owner('acme'));
  rival = await control.owner('rival');
  for (const client of [api, rival]) await seedGroup(client);
  await api('PATCH', '/groups/demo/weights', { a: 8_000, b: 2_000 });
  groupId = (await api('GET', '/groups/demo')).body.id;
  const { salt, hash_version } = await control.admin
    .selectFrom('groups')
    .select(['salt', 'hash_version'])
    .where('id', '=', groupId)
    .executeTakeFirstOrThrow();
  const key = sipKeyFromHex(salt);
  for (let unit = 0; unit < 300; unit++) {
    const bucket = bucketOf(key, hash_version, `u${unit}`);
    const variant = bucket < 8_000 ? 'a' : 'b';
    for (const day of [0.3, 1.3]) {
      const latencyNs = (variant === 'a' ? 100 : 300) * 1e6 + (unit % 10) * 1e6;
      const failed = variant === 'b' && unit % 3 === 0;
      await plantInference(control.admin, {
        ...{ groupId, organizationId: api.organizationId, atMs: now - day * DAY + unit },
        row: {
          ...{ unit: `u${unit}`, bucket, assigned_variant: variant, served_variant: variant, hash_version },
          ...{
            input_tokens: 10,
            output_tokens: variant === 'a' ? 50 : 80,
            cost_micro_usd: variant === 'a' ? 100 : 900,
          },
          ...(failed ? { status: 502, outcome: 'failed', error_code: 'upstream_error' } : {}),
          attempts: JSON.stringify([
            {
              ...{ provider: 'p', model: variant, upstreamModel: 'up', status: failed ? 500 : 200, requestId: null },
              ...{ errorCode: failed ? 'upstream_error' : null, connectNs: null, firstByteNs: null },
              ...{ startNs: 0, endNs: latencyNs },
            },
          ]),
        },
      });
    }
  }
}, 120_000);
afterAll(() => control.stop());

const replay = (query: Record<string, string>, client = api) =>
  client('GET', `/groups/demo/replay?${new URLSearchParams({ since, ...query })}`);
const plan = (query: Record<string, string>, client = api) =>
  client('GET', `/groups/demo/planner?${new URLSearchParams(query)}`);

describe('GET /groups/{name}/replay', () => {
  test('the present weights change nothing', async () => {
    const { status, body } = await replay({ weights: 'a=8000,b=2000' });
    expect(status).toBe(200);
    expect(body.moved).toBe(0);
    expect(body.figures.costMicroUsd.difference.value).toBe(0);
    expect(body.figures.costMicroUsd.after.lower).toBe(body.figures.costMicroUsd.after.upper);
  });

  test('as much moves as the buckets say, at the figures of the other variant', async () => {
    const { status, body } = await replay({ weights: 'a=5000,b=5000' });
    expect(status).toBe(200);
    const rows = await control.admin
      .selectFrom('inferences')
      .select(['bucket', 'assigned_variant'])
      .where('group_id', '=', groupId)
      .execute();
    // b gets [5000, 8000) on top of [8000, 10000).
    const moved = rows.filter(({ bucket }) => bucket >= 5_000 && bucket < 8_000).length;
    expect(body.inferences).toBe(600);
    expect(body.moved).toBe(moved);
    const { before, after, difference } = body.figures.costMicroUsd;
    expect(before).toBe(rows.reduce((sum, row) => sum + (row.assigned_variant === 'a' ? 100 : 900), 0));
    // Every inference of b costs the same.
    expect(after.value).toBeCloseTo(before + moved * 800, 3);
    expect(difference.value).toBeCloseTo(moved * 800, 3);
    expect(body.figures.errorRate.after.value).toBeGreaterThan(body.figures.errorRate.before);
    expect(body.figures.latencyMs.after.value).toBeGreaterThan(body.figures.latencyMs.before);
    expect(body.figures.latencyMs.difference.lower).toBeGreaterThan(0);
    expect(body.weights).toEqual({ a: 5_000, b: 5_000 });
    const peak = (side: { variant: string; inferences: number }[], variant: string) =>
      side.find((one) => one.variant === variant)!.inferences;
    expect(peak(body.busiestMinute.after, 'b')).toBeGreaterThan(peak(body.busiestMinute.before, 'b'));
  });

  test('nothing is changed by it', async () => {
    const before = await api('GET', '/groups/demo');
    await replay({ weights: 'a=0,b=10000' });
    expect((await api('GET', '/groups/demo')).body).toEqual(before.body);
  });

  test.each([
    [{ weights: 'a=5000' }, 'weights', 'sum to 10000'],
    [{ weights: 'c=5000,b=5000' }, 'weights', 'no variant with the model "c"'],
    [{ weights: 'a=1,a=9999' }, 'weights', 'twice'],
    [{ weights: 'a' }, 'weights', 'model=weight'],
    [{ weights: 'a=8000,b=2000', since: new Date(now - 60 * DAY).toISOString() }, 'since', '31 days'],
    [{ weights: 'a=8000,b=2000', since: new Date(now).toISOString(), until: since }, 'since', 'before "until"'],
    [{ weights: 'a=8000,b=2000', nonsense: '1' }, 'nonsense', ''],
  ])('%j is refused', async (query, field, message) => {
    const { status, body } = await replay(query);
    expect(status).toBe(422);
    expect(
      body.issues.some(
        (issue: { field: string; message: string }) => issue.field === field && issue.message.includes(message),
      ),
    ).toBe(true);
  });

  test('of a time without traffic it says so', async () => {
    const { body } = await replay({
      weights: 'a=5000,b=5000',
      since: new Date(now - 20 * DAY).toISOString(),
      until: new Date(now - 19 * DAY).toISOString(),
    });
    expect(body.figures.costMicroUsd).toEqual({ before: null, after: null, difference: null });
    expect(body.warnings).toEqual(['There were no inferences in that time.']);
  });

  test('another organization sees its own group only', async () => {
    const { body } = await replay({ weights: 'a=5000,b=5000' }, rival);
    expect(body.inferences).toBe(0);
  });
});

describe('GET /groups/{name}/planner', () => {
  test('the smallest effect in a time, and back: the time of that effect, and its weight', async () => {
    const first = (await plan({ metric: 'latency', days: '7', weightBp: '4000' })).body;
    expect(first.asked).toBe('effect');
    expect(first.traffic.units).toBe(300);
    expect(first.traffic.inferences).toBe(600);
    expect(first.effect.sequence).toBeGreaterThan(first.effect.sequenceTypical);
    expect(first.effect.sequenceTypical).toBeGreaterThan(0);
    const effect = first.effect.sequence;
    const second = (await plan({ metric: 'latency', effect: String(effect), weightBp: '4000' })).body;
    expect(second.asked).toBe('days');
    expect(second.days.sequence).toBeCloseTo(7, 0);
    const third = (await plan({ metric: 'latency', effect: String(effect), days: '7' })).body;
    expect(third.asked).toBe('weightBp');
    expect(third.weightBp.sequence).toBeCloseTo(4_000, -1);
    expect(third.curve.length).toBeGreaterThan(5);
  });

  test('N* for the experiment, and challengers that leave the champion less', async () => {
    const one = (await plan({ metric: 'latency', days: '14', weightBp: '2000', comparison: 'rest' })).body;
    expect(one.plannedUnits).toBe(Math.round(one.units.sequence));
    const equal = (await plan({ metric: 'latency', days: '14', weightBp: '2000' })).body;
    expect(equal.plannedUnits).toBe(Math.max(200, Math.round(equal.units.sequence * 0.4)));
    // Three beside a champion of 10 %: α/3, and 0.3 · 0.1 / 0.4 where 0.3 · 0.7 would be. (The traffic grows older between two requests.)
    const beside = { metric: 'latency', days: '14', weightBp: '3000', comparison: 'rest' };
    const three = (await plan({ ...beside, challengers: '3' })).body;
    const alone = (await plan({ ...beside, alpha: String(0.05 / 3) })).body;
    expect(three.effect.fixed / alone.effect.fixed).toBeCloseTo(Math.sqrt(0.21 / 0.075), 3);
    expect((await plan({ metric: 'latency', days: '14', challengers: '3' })).body.weightBp.fixed).toBe(2_500);
    const { status, body } = await plan({ ...beside, challengers: '4' });
    expect(status).toBe(422);
    expect(body.issues[0]).toMatchObject({ field: 'weightBp', message: expect.stringContaining('leave the champion') });
  });

  test('the mean and the units are those of the champion', async () => {
    const { body } = await plan({ metric: 'output_tokens', relative: 'false' });
    expect(body.champion.model).toBe('a');
    expect(body.champion.mean).toBe(50);
    expect(body.warnings[0]).toContain('the same for all units');
  });

  test('a metric of feedback, by what was reported of the champion', async () => {
    const rows = await control.admin
      .selectFrom('inferences')
      .select(['id', 'assigned_variant'])
      .where('group_id', '=', groupId)
      .execute();
    for (const [index, row] of rows.entries()) {
      await control.admin
        .insertInto('feedback')
        .values({
          ...{
            organization_id: api.organizationId,
            id: `f${index}`,
            inference_id: row.id,
            metric: 'rating',
            kind: 'numeric',
          },
          ...{
            value: row.assigned_variant === 'a' ? 1 + (index % 5) : 100,
            key_id: randomUUID(),
            gateway_id: randomUUID(),
          },
          received_at: new Date(now - HOUR),
          at: new Date(now - HOUR),
        })
        .execute();
    }
    const { status, body } = await plan({ metric: 'rating', days: '7' });
    expect(status).toBe(200);
    expect(body.champion.mean).toBeGreaterThan(2);
    expect(body.champion.mean).toBeLessThan(4);
    expect(body.effect.fixed).toBeLessThan(body.effect.sequence);
    expect((await plan({ metric: 'unheard-of' })).body.warnings[0]).toContain('Nothing reported');
  });

  test('without traffic it says so', async () => {
    const { status, body } = await plan({ metric: 'latency' }, rival);
    expect(status).toBe(200);
    expect(body.effect).toEqual({ fixed: null, sequence: null, sequenceTypical: null });
    expect(body.warnings[0]).toContain('no traffic');
  });

  test('bad input names its field', async () => {
    const { status, body } = await plan({ power: '2' });
    expect([status, body.issues[0].field]).toEqual([422, 'power']);
  });
});
