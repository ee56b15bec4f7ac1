import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { removeEntries } from '#store/ledger-life.ts';
import { createPartitionRig, type PartitionRig } from '#tests/support/partition-rig.ts';
import { waitFor } from '#tests/support/wait.ts';

let rig: PartitionRig;
let groupId: string;
beforeAll(async () => {
  rig = await createPartitionRig();
  groupId = await rig.createGroup({ partitionBy: 'day' });
});
afterAll(() => rig.close());

interface Held {
  readonly stored?: number;
  readonly archived?: number;
  readonly interrupted?: number;
  readonly interrupted_removed?: number;
  readonly rolled?: number;
  readonly rollups_removed?: number;
}

/** What retention and expiry leave of ten rows, of which two never ended. */
const EMPTY: Held = { interrupted: 2, interrupted_removed: 2, rolled: 10, rollups_removed: 10 };

/** An entry of a new gateway; null: that side is not there. */
async function entry(held: Held | null, hasReported = true, group = groupId, gatewayId = randomUUID()) {
  if (held !== null) {
    await rig.admin
      .insertInto('ledger')
      .values({ gateway_id: gatewayId, group_id: group, stored: 0, dropped: 0, expired: 8, interrupted: 0, ...held })
      .execute();
  }
  if (hasReported) {
    await rig.admin
      .insertInto('gateway_ledgers')
      .values({ gateway_id: gatewayId, group_id: group, accepted: 10, recorded: 8, dropped: '{}' })
      .execute();
  }
  return { gatewayId, groupId: group };
}

/** Which sides of an entry are there. */
async function sidesOf({ gatewayId, groupId: group }: { gatewayId: string; groupId: string }): Promise<string[]> {
  const { rows } = await sql<{ side: string }>`
    SELECT 'held' AS side FROM ringside.ledger WHERE gateway_id = ${gatewayId} AND group_id = ${group}
    UNION ALL SELECT 'reported' FROM ringside.gateway_ledgers WHERE gateway_id = ${gatewayId} AND group_id = ${group}
    ORDER BY side`.execute(rig.admin);
  return rows.map(({ side }) => side);
}

const BOTH = ['held', 'reported'];

test('both sides of an empty entry go, and one side where there is no other', async () => {
  const entries = [await entry(EMPTY), await entry({}), await entry(EMPTY, false), await entry(null)];
  await removeEntries(rig.leader, entries);
  for (const each of entries) expect(await sidesOf(each)).toEqual([]);
});

test.each<[string, Held]>([
  ['rows', { ...EMPTY, stored: 1 }],
  ['archived rows', { ...EMPTY, archived: 1 }],
  ['an interrupted row', { ...EMPTY, interrupted: 3 }],
  ['rollups', { ...EMPTY, rolled: 11 }],
])('an entry that got %s since it was looked at stays with both sides', async (_, held) => {
  const [changed, empty] = [await entry(held), await entry(EMPTY)];
  await removeEntries(rig.leader, [changed, empty]);
  expect(await sidesOf(changed)).toEqual(BOTH);
  expect(await sidesOf(empty)).toEqual([]);
});

test('only the pairs that are named go, not each gateway with each group', async () => {
  const otherGroup = await rig.createGroup({ partitionBy: 'day' });
  const [first, second] = [await entry(EMPTY), await entry(EMPTY, true, otherGroup)];
  const crossed = [
    await entry(EMPTY, true, otherGroup, first.gatewayId),
    await entry(EMPTY, true, groupId, second.gatewayId),
  ];
  await removeEntries(rig.leader, [first, second]);
  for (const each of [first, second]) expect(await sidesOf(each)).toEqual([]);
  for (const each of crossed) expect(await sidesOf(each)).toEqual(BOTH);
});

test('what a shipper is adding at this very moment keeps the entry', async () => {
  const late = await entry(EMPTY);
  const shipper = new pg.Client({ connectionString: rig.databaseUrl });
  await shipper.connect();
  try {
    await shipper.query('BEGIN');
    const add =
      'UPDATE ringside.ledger SET stored = stored + 1, rolled = rolled + 1 WHERE gateway_id = $1 AND group_id = $2';
    await shipper.query(add, [late.gatewayId, late.groupId]);
    const removing = removeEntries(rig.leader, [late]);
    await waitFor('the removal to wait for the shipper', async () => {
      const { rows } = await sql<{ waiting: boolean }>`SELECT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock') AS waiting`.execute(rig.admin);
      return rows[0]!.waiting;
    });
    await shipper.query('COMMIT');
    await removing;
    expect(await sidesOf(late)).toEqual(BOTH);
  } finally {
    await shipper.end();
  }
});

test('nothing to remove is no error', async () => {
  await removeEntries(rig.leader, []);
});
