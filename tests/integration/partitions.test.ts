import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPartitionsJob } from '#control-plane/jobs/partitions.ts';
import type { LogPolicy } from '#core/snapshot/log-policy.ts';
import { createPartitionRig, DAY_MS, type PartitionRig, type Range } from '#tests/support/partition-rig.ts';

type Span = LogPolicy['partitionBy'];

let rig: PartitionRig;
beforeAll(async () => {
  rig = await createPartitionRig();
});
afterAll(() => rig.close());

interface Made {
  readonly suffix: string | null;
  readonly startsAt: Date;
  readonly endsAt: Date;
}

async function partitionFor(groupId: string, unixMs: number): Promise<Made> {
  const { rows } = await sql<Made>`
    SELECT suffix, starts_at AS "startsAt", ends_at AS "endsAt" FROM partition_for(${groupId}, ${new Date(unixMs)})`.execute(
    rig.admin,
  );
  return rows[0]!;
}

/** The whole span around a moment, in UTC. */
function spanAround(span: Span, unixMs: number): [from: number, until: number] {
  const at = new Date(unixMs);
  const day = Math.floor(unixMs / DAY_MS);
  switch (span) {
    case 'day':
      return [day * DAY_MS, (day + 1) * DAY_MS];
    case 'week': {
      const monday = day - ((day + 3) % 7); // 1 January 1970 was a Thursday
      return [monday * DAY_MS, (monday + 7) * DAY_MS];
    }
    case 'month':
      return [
        Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1),
        Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1),
      ];
    default:
      return span satisfies never;
  }
}

function expectNoOverlap(ranges: readonly Range[]): void {
  const of = (base: string) => ranges.filter((range) => range.base === base);
  const bounds = (base: string) => of(base).map(({ suffix, startsAt, endsAt }) => ({ suffix, startsAt, endsAt }));
  expect(bounds('inference_payloads')).toEqual(bounds('inferences'));
  const sorted = of('inferences');
  for (const [index, range] of sorted.entries()) {
    expect(range.startsAt.getTime()).toBeLessThan(range.endsAt.getTime());
    expect(range.startsAt.getTime() % DAY_MS).toBe(0);
    if (index > 0) expect(range.startsAt.getTime()).toBeGreaterThanOrEqual(sorted[index - 1]!.endsAt.getTime());
  }
}

const FROM = Date.UTC(2027, 11, 20);
const UNTIL = Date.UTC(2028, 2, 12); // a leap year's February between
const spans = fc.constantFrom<Span>('day', 'week', 'month');
const moments = fc.oneof(
  fc.integer({ min: FROM, max: UNTIL }),
  // At the borders, and a millisecond before them.
  fc
    .record({ day: fc.integer({ min: FROM / DAY_MS, max: UNTIL / DAY_MS }), before: fc.constantFrom(0, 1) })
    .map(({ day, before }) => day * DAY_MS - before),
);

test('whatever the policy was when, each row finds one partition, and none overlap', async () => {
  const steps = fc.array(fc.record({ span: spans, unixMs: moments }), { minLength: 2, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      const groupId = await rig.createGroup();
      for (const { span, unixMs } of taken) {
        await rig.setPolicy(groupId, { partitionBy: span });
        const before = await rig.ranges(groupId);
        const made = await partitionFor(groupId, unixMs);
        const [from, until] = [made.startsAt.getTime(), made.endsAt.getTime()];
        expect(unixMs).toBeGreaterThanOrEqual(from);
        expect(unixMs).toBeLessThan(until);
        if (before.some(({ suffix }) => suffix === made.suffix)) continue;
        // As much of the policy's span as was free around the moment.
        const [wholeFrom, wholeUntil] = spanAround(span, unixMs);
        const ends = before.map(({ endsAt }) => endsAt.getTime()).filter((end) => end <= unixMs);
        const starts = before.map(({ startsAt }) => startsAt.getTime()).filter((start) => start > unixMs);
        expect(from).toBe(Math.max(wholeFrom, ...ends));
        expect(until).toBe(Math.min(wholeUntil, ...starts));
      }
      expectNoOverlap(await rig.ranges(groupId));
      const rows = rig.rowsAt(
        groupId,
        taken.map(({ unixMs }) => unixMs),
      );
      await rig.write(rows);
      expect(await rig.contents(groupId)).toHaveLength(rows.length);
    }),
    { numRuns: 40 },
  );
}, 120_000);

test('made ahead, the present span and the next are there without a gap, whatever was there before', async () => {
  const changes = fc.array(fc.record({ span: spans, unixMs: moments }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(changes, async (taken) => {
      const groupId = await rig.createGroup();
      for (const { span, unixMs } of taken) {
        await rig.setPolicy(groupId, { partitionBy: span });
        await sql`SELECT provision_ahead(${groupId}, ${new Date(unixMs)})`.execute(rig.admin);
        const ranges = (await rig.ranges(groupId)).filter(({ base }) => base === 'inferences');
        let covered = unixMs;
        for (const { startsAt, endsAt } of ranges) {
          if (startsAt.getTime() <= covered && covered < endsAt.getTime()) covered = endsAt.getTime();
        }
        expect(covered - unixMs).toBeGreaterThan({ day: 1, week: 7, month: 28 }[span] * DAY_MS);
      }
      expectNoOverlap(await rig.ranges(groupId));
    }),
    { numRuns: 15 },
  );
}, 120_000);

test('many that need partitions of one group at once get the same ones', async () => {
  const groupId = await rig.createGroup({ partitionBy: 'day' });
  const asked = Array.from({ length: 24 }, (_, index) => FROM + (index % 4) * DAY_MS + index);
  const made = await Promise.all(asked.map((unixMs) => partitionFor(groupId, unixMs)));
  expect(new Set(made.map(({ suffix }) => suffix)).size).toBe(4);
  expectNoOverlap(await rig.ranges(groupId));
});

test('partitions of the release before are used on, and new ones begin where they end', async () => {
  const groupId = await rig.createGroup({ partitionBy: 'month' });
  const hex = groupId.replaceAll('-', '');
  await sql`SELECT provision_group(${groupId})`.execute(rig.admin);
  for (const base of ['inferences', 'inference_payloads']) {
    const [parent, leaf] = [`ringside.${base}_g_${hex}`, `ringside.${base}_g_${hex}_2027w52`];
    await sql
      .raw(`CREATE TABLE ${leaf} PARTITION OF ${parent}
      FOR VALUES FROM ('2027-12-27 00:00:00+00') TO ('2028-01-03 00:00:00+00')`)
      .execute(rig.admin);
  }
  expect((await partitionFor(groupId, Date.UTC(2027, 11, 31))).suffix).toBe(`g_${hex}_2027w52`);
  expect(await partitionFor(groupId, Date.UTC(2028, 0, 20))).toEqual({
    suffix: `g_${hex}_20280103`,
    startsAt: new Date('2028-01-03T00:00:00Z'),
    endsAt: new Date('2028-02-01T00:00:00Z'),
  });
});

test('a table that lacks a partition of the other gets it with the same bounds', async () => {
  const groupId = await rig.createGroup({ partitionBy: 'week' });
  const { suffix } = await partitionFor(groupId, FROM);
  await sql.raw(`DROP TABLE ringside.inference_payloads_${suffix}`).execute(rig.admin);
  await rig.setPolicy(groupId, { partitionBy: 'day' });
  expect((await partitionFor(groupId, FROM)).suffix).toBe(suffix);
  expectNoOverlap(await rig.ranges(groupId));
});

test("the leader's job makes what live groups lack, and a group that fails does not keep others from theirs", async () => {
  const [first, gone, broken, last] = await Promise.all(
    [1, 2, 3, 4].map(() => rig.createGroup({ partitionBy: 'day' })),
  );
  await rig.admin.updateTable('groups').set({ deleted_at: new Date() }).where('id', '=', gone!).execute();
  const lines: string[] = [];
  const job = createPartitionsJob({ db: rig.leader, everyMs: 1, random: () => 0.5, log: (line) => lines.push(line) });
  // A table in the way of what it needs.
  const { suffix } = await partitionFor(broken!, Date.now());
  const parent = `ringside.inferences_g_${broken!.replaceAll('-', '')}`;
  await sql.raw(`ALTER TABLE ${parent} DETACH PARTITION ringside.inferences_${suffix}`).execute(rig.admin);
  await sql.raw(`DROP TABLE ringside.inference_payloads_${suffix}`).execute(rig.admin);
  await expect(job.run(new AbortController().signal)).rejects.toThrow(/is detached/);
  for (const groupId of [first!, last!]) {
    const ranges = (await rig.ranges(groupId)).filter(({ base }) => base === 'inferences');
    expect(ranges.map(({ startsAt }) => startsAt.getTime())).toEqual(
      [0, 1].map((days) => (Math.floor(Date.now() / DAY_MS) + days) * DAY_MS),
    );
  }
  expect(await rig.ranges(gone!)).toEqual([]);
  expect(lines.join()).toMatch(/made \d+ partitions ahead/);
  await sql.raw(`DROP TABLE ringside.inferences_${suffix}`).execute(rig.admin);
  await job.run(new AbortController().signal);
  lines.length = 0;
  await job.run(new AbortController().signal);
  expect(lines).toEqual([]);
});
