import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { joinFeedback } from '#control-plane/feedback/join.ts';
import { countExperiments } from '#inference-log/experiments.ts';
import type { FeedbackRow } from '#inference-log/feedback-record.ts';
import type { InferenceRow } from '#inference-log/record.ts';
import { createClickHouseSink } from '#inference-log/sinks/clickhouse/sink.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import type { Sink } from '#inference-log/spool.ts';
import { closeExperiments } from '#store/experiment-folding.ts';
import { expireExperimentInferences, expireFeedback } from '#store/feedback-expiry.ts';
import { createPool, type Db } from '#store/pool.ts';
import { createClickHouseStore, describeWithClickHouse } from '#tests/support/clickhouse-store.ts';
import { createTestDatabase } from '#tests/support/database.ts';
import { drawIn, expectedCounts, INGEST, plantGroup, plantRollout, storedCounts } from '#tests/support/experiments.ts';
import { feedbackRow } from '#tests/support/feedback.ts';
import { beginRecord, endRecord, GROUP_ID, KEY_ID, newInferenceId, ORGANIZATION_ID } from '#tests/support/records.ts';

const PLACE = { organizationId: ORGANIZATION_ID, groupId: GROUP_ID };
const BATCHES = 12;
const SPOOLS = 4;
/** Of each inference. */
const REPORTS = 8;

interface Batch {
  readonly rows: readonly InferenceRow[];
  readonly feedback: readonly FeedbackRow[];
}

/** Batches of a spool: of the same few units as those of all others, some mirrored, with reports of them of which others bring copies. */
function batchesOf(experimentId: string, seed: number): readonly Batch[] {
  return Array.from({ length: BATCHES }, (_, index) => {
    const rows = drawIn(seed * 1_000 + index, 24).map(({ unit, phase, arm, fails }, at): InferenceRow => {
      const attempts = [{ ...endRecord().attempts[0]!, status: fails ? 500 : 200 }];
      const place = { unit, experiment: { id: experimentId, phase, arm } };
      const isMirrored = at % 8 === 7;
      return {
        ...{ id: newInferenceId(), gatewayId: GROUP_ID, request: null, response: null },
        begin: beginRecord(isMirrored ? { ...place, shadowOf: newInferenceId() } : place),
        end: endRecord({ attempts, ...(isMirrored ? { servedReason: 'shadow', servedVariant: null } : {}) }),
      };
    });
    const feedback = rows.flatMap(({ id: inferenceId }, at) =>
      Array.from({ length: REPORTS }, (_, n) => feedbackRow({ id: `r-${seed}-${index}-${at}-${n}`, inferenceId })),
    );
    return { rows, feedback };
  });
}

/** All spools at once, each bringing its reports and then those of one of the other gateway, which does it the other way round, while two joiners join. */
async function shipAndJoin(db: Db, leader: Db, sinks: readonly Sink[]) {
  const experimentId = await plantRollout(db, PLACE);
  const gateways = [randomUUID(), randomUUID()];
  const spools = Array.from({ length: SPOOLS }, (_, seed) => batchesOf(experimentId, seed));
  const troubles: unknown[] = [];
  let isShipping = true;
  const at = (offset: number) => ({ scan: { segment: 1, offset }, shipped: { segment: 1, offset } });
  const writers = spools.map((_, own) => {
    const spoolId = randomUUID();
    let offset = 0;
    return async ({ rows, feedback }: Batch) => {
      await sinks[own % 2]!.write({
        ...{ spoolId, gatewayId: gateways[own >> 1]!, expected: offset === 0 ? undefined : at(offset) },
        ...{ cursor: at(++offset), rows, dropped: [], feedback, finished: false },
      });
    };
  });
  const ship = async () => {
    for (let index = 0; index < BATCHES; index++) {
      const batches = spools.map((batchesOfSpool) => batchesOfSpool[index]!);
      // They read the experiment with each batch, which others change meanwhile.
      const changing = [stepRollout(db, experimentId), closeExperiments(leader, 30)];
      await Promise.all([...changing, ...batches.map(({ rows }, own) => writers[own]!({ rows, feedback: [] }))]);
      // Alone, or the locks of units would keep two from ever being in the reports at once.
      const repeated = batches.map(({ feedback }, own) => [...feedback, ...batches[(own + 2) % SPOOLS]!.feedback]);
      await Promise.all(repeated.map((feedback, own) => writers[own]!({ rows: [], feedback })));
    }
  };
  const whileShipping = async (work: () => Promise<unknown>) => {
    while (isShipping) {
      // Whoever loops without the database would keep all others from it.
      await Promise.all([work(), sql`SELECT 1`.execute(db)]);
    }
  };
  const guarded = (work: Promise<unknown>) => work.catch((error: unknown) => void troubles.push(error));
  const beside = [
    guarded(whileShipping(() => joinFeedback(leader, { limit: 200 }))),
    guarded(whileShipping(() => joinFeedback(leader, { limit: 300 }))),
    guarded(whileShipping(() => expireExperimentInferences(leader, 24, 100))),
    guarded(whileShipping(() => expireFeedback(leader, ORGANIZATION_ID, 400, 100))),
  ];
  await guarded(ship());
  isShipping = false;
  await Promise.all(beside);
  await sql`UPDATE ringside.feedback SET next_at = now() WHERE state = 'pending'`.execute(db);
  while ((await joinFeedback(leader, { limit: 1_000 })).taken > 0);
  return { experimentId, troubles, rows: spools.flat().flatMap((batch) => batch.rows) };
}

/** As a transition does: locks, and writes a little later. */
async function stepRollout(db: Db, id: string): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx.selectFrom('rollouts').select('id').where('id', '=', id).forUpdate().execute();
    await sql`UPDATE ringside.rollouts SET version = version + 1 WHERE id = ${id}`.execute(tx);
  });
}

async function check(url: string, sinks: readonly Sink[]): Promise<void> {
  const pools = (['login', 'leader'] as const).map((role) =>
    createPool({ databaseUrl: url, role, maxConnections: 5, applicationName: `test ${role}` }),
  );
  const [db, leader] = pools as [Db, Db];
  try {
    await plantGroup(db, ORGANIZATION_ID, GROUP_ID);
    const digest = Buffer.from(randomUUID());
    await db
      .insertInto('api_keys')
      .values({ id: KEY_ID, organization_id: ORGANIZATION_ID, name: 'all', digest, hint: 'k', key_version: 1 } as never)
      .execute();
    const { experimentId, troubles, rows } = await shipAndJoin(db, leader, sinks);
    expect(troubles).toEqual([]);
    const known = new Map([[experimentId, { ...PLACE, ingest: INGEST }]]);
    const counts = countExperiments(rows, known);
    expect(await storedCounts(db, experimentId)).toEqual(expectedCounts(counts));
    const { rows: reported } = await sql<{ n: number; state: string }>`
      SELECT state, count(*) AS n FROM ringside.feedback GROUP BY state`.execute(db);
    expect(reported).toEqual([{ state: 'joined', n: REPORTS * rows.length }]);
    const sums = await db.selectFrom('experiment_unit_metrics').select(['n', 'sum']).execute();
    const counted = REPORTS * rows.filter(({ begin }) => begin.shadowOf === undefined).length;
    expect(sums.reduce((total, { n }) => total + n, 0)).toBe(counted);
    expect(sums.reduce((total, { sum }) => total + Number(sum), 0)).toBe(counted);
    const { rows: seen } = await sql<{ deadlocks: number }>`
      SELECT pg_stat_force_next_flush(), deadlocks FROM pg_stat_database WHERE datname = current_database()`.execute(
      db,
    );
    expect(seen[0]?.deadlocks).toBe(0);
  } finally {
    for (const pool of pools) await pool.destroy();
  }
}

describe('four spools of two gateways, two shippers and two joiners at once: no deadlock, and each thing counts once', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let sinks: Sink[];
  beforeAll(async () => {
    database = await createTestDatabase();
    sinks = [0, 1].map(() => createPostgresSink({ databaseUrl: database.url }));
  });
  afterAll(async () => {
    for (const sink of sinks) await sink.close();
    await database.drop();
  });
  test('rows in PostgreSQL', () => check(database.url, sinks));
});

const stopServer = await describeWithClickHouse('the same with rows in ClickHouse', (server) => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let sinks: Sink[];
  let closeStore: () => Promise<void>;
  beforeAll(async () => {
    database = await createTestDatabase();
    const store = await createClickHouseStore(server());
    closeStore = store.close;
    sinks = [0, 1].map(() => createClickHouseSink({ databaseUrl: database.url, clickhouse: store.address }));
  });
  afterAll(async () => {
    for (const sink of sinks) await sink.close();
    await closeStore();
    await database.drop();
  });
  test('rows in ClickHouse', () => check(database.url, sinks));
});
afterAll(() => stopServer());
