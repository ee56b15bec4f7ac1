import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sayTrouble } from '#control-plane/jobs/say-trouble.ts';
import { unixMsOfId } from '#core/ids.ts';
import { createCapturedInClickHouse } from '#inference-log/sinks/clickhouse/captured-in-clickhouse.ts';
import { createClickHouseSink } from '#inference-log/sinks/clickhouse/sink.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import { capturedInPostgres } from '#store/captured-in-postgres.ts';
import type { CapturedInferences } from '#store/captured-inferences.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import { createPool } from '#store/pool.ts';
import { type CapturedRig, createCapturedRig } from '#tests/support/captured-rig.ts';
import {
  type ClickHouseStore,
  createClickHouseStore,
  describeWithClickHouse,
} from '#tests/support/clickhouse-store.ts';
import { pairOf } from '#tests/support/planted-pairs.ts';
import { GROUP_ID, newInferenceId, ORGANIZATION_ID } from '#tests/support/records.ts';
import { describeCaptured } from './captured-inferences.ts';

describeCaptured('PostgreSQL', async (databaseUrl) => {
  const admin = createPool({ databaseUrl, role: 'login', maxConnections: 1, applicationName: 'test' });
  return {
    ...{ sink: createPostgresSink({ databaseUrl }), captured: capturedInPostgres },
    async remove(table, ids) {
      await admin.deleteFrom(table).where('id', 'in', ids).execute();
    },
    close: () => admin.destroy(),
  };
});

const stopServer = await describeWithClickHouse('rows and bodies in ClickHouse', (server) => {
  const openOn = (store: ClickHouseStore) => async (databaseUrl: string) => {
    const captured = createCapturedInClickHouse(store.address);
    return {
      ...{ sink: createClickHouseSink({ databaseUrl, clickhouse: store.address }), captured },
      async remove(table: string, ids: readonly string[]) {
        await store.client.query(`DELETE FROM ${table} WHERE id IN {ids:Array(UUID)}`, {
          parameters: { ids: `[${ids.map((id) => `'${id}'`).join()}]` },
        });
      },
      async close() {
        captured.close();
        await store.close();
      },
    };
  };
  describeCaptured('ClickHouse', async (databaseUrl) => openOn(await createClickHouseStore(server()))(databaseUrl));

  describe('ClickHouse, when it is in trouble', () => {
    let store: ClickHouseStore;
    let rig: CapturedRig;
    beforeAll(async () => {
      store = await createClickHouseStore(server());
      rig = await createCapturedRig(openOn(store));
    });
    afterAll(() => rig.close());

    test('away: it is said once, nothing is lost or counted as an attempt, and all is done when it is back', async () => {
      const away = createCapturedInClickHouse({ ...store.address, port: 1 });
      let now: CapturedInferences = away;
      const captured = sayTrouble({ find: (...sought) => now.find(...sought) }, (line) => rig.logged.push(line));
      const experiment = { id: await rig.experiment(), phase: 1, arm: 0 };
      const [, compared] = rig.pair();
      const [, waiting] = rig.pair();
      const first = rig.pair();
      await rig.ship([...first, rig.shipped({ begin: { experiment } })]);
      await rig.run('compare');
      const judged = first[1].id;
      expect(await pairOf(rig.admin, judged)).toMatchObject({ state: 'compared', evaluation: 'pending' });
      await rig.ship([compared, waiting]);
      for (const job of ['compare', 'derive', 'evaluate', 'compare', 'derive'] as const) await rig.run(job, captured);
      expect(rig.logged).toEqual([
        'mirrored calls and answers wait to be compared: ClickHouse at 127.0.0.1:1 cannot be reached: ECONNREFUSED',
      ]);
      expect(await pairOf(rig.admin, waiting.id)).toMatchObject({ state: 'pending', attempts: 0, detail: '' });
      const released = await pairOf(rig.admin, judged);
      expect(released).toMatchObject({ evaluation: 'pending', evaluation_attempts: 0, evaluation_at: null });
      expect(released.evaluation_next_at.getTime()).toBeGreaterThan(Date.now());
      expect(await rig.admin.selectFrom('experiment_inferences').select(['is_derived', 'derive_at']).execute()).toEqual(
        [{ is_derived: false, derive_at: null }],
      );

      now = rig.captured;
      // The day that its turn may take begins when a pair is compared, and anew where its answers were asked for in vain.
      await rig.admin
        .updateTable('shadow_pairs')
        .set({ created_at: new Date(Date.now() - 3 * 86_400_000), evaluation_next_at: new Date() })
        .execute();
      for (const job of ['compare', 'derive', 'evaluate'] as const) await rig.run(job, captured);
      expect(rig.logged.slice(1)).toEqual(['the log can be read again: what waited is compared']);
      expect(await pairOf(rig.admin, waiting.id)).toMatchObject({ state: 'pending', attempts: 1 });
      expect(await pairOf(rig.admin, judged)).toMatchObject({ evaluation: 'scored', evaluation_attempts: 1 });
      expect(await rig.admin.selectFrom('experiment_inferences').select('is_derived').execute()).toEqual([
        { is_derived: true },
      ]);
      away.close();
    });

    test('refusing: what it refuses waits with the reason, and is done when it no longer does', async () => {
      await rig.admin.deleteFrom('shadow_pairs').execute();
      const pair = rig.pair();
      await rig.ship(pair);
      await store.client.query('RENAME TABLE inference_payloads TO away');
      const refused = await rig.find([pair[0].id]).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(LogUnavailableError);
      expect(refused).toMatchObject({ isRefusal: true });
      expect(String(refused)).toContain('UNKNOWN_TABLE');
      await rig.run('compare');
      const waits = { state: 'pending', attempts: 1, detail: expect.stringContaining('UNKNOWN_TABLE') };
      expect(await pairOf(rig.admin, pair[1].id)).toMatchObject(waits);
      await store.client.query('RENAME TABLE away TO inference_payloads');
      await rig.admin
        .updateTable('shadow_pairs')
        .set({ next_at: new Date(0) })
        .execute();
      await rig.run('compare');
      expect(await pairOf(rig.admin, pair[1].id)).toMatchObject({ state: 'compared', detail: '' });
    });

    test('a row that was put there by hand, and is none of ours, is told apart from an outage', async () => {
      const own = rig.shipped();
      await rig.ship([own]);
      const odd = newInferenceId(unixMsOfId(own.id));
      await store.client.query(`INSERT INTO inferences SELECT * REPLACE (toUUID('${odd}') AS id, '{' AS attempts)
        FROM inferences AS i WHERE i.id = '${own.id}'`);
      const refused = await rig.find([odd]).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(LogUnavailableError);
      expect(refused).toMatchObject({ isRefusal: true });
      expect((await rig.find([own.id])).size).toBe(1);
    });

    test('bodies come in answers of a bounded size, and one that is too long counts as not kept', async () => {
      const bounded = createCapturedInClickHouse(store.address, { maxBodiesBytes: 1_000, maxBodyBytes: 600 });
      const sizes = [10, 600, 400, 601, 300, 0, 599];
      const rows = sizes.map((bytes) => rig.shipped({ request: 'q', response: 'x'.repeat(bytes) }));
      await rig.ship(rows);
      const sought = { organizationId: ORGANIZATION_ID, groupId: GROUP_ID, ids: rows.map(({ id }) => id) };
      const found = await bounded.find(() => Promise.reject(new Error('no transaction is asked for')), sought);
      const kept = rows.map(({ id }) => found.get(id)!.payload!);
      expect(kept.map(({ response }) => response?.length ?? null)).toEqual([10, 600, 400, null, 300, 0, 599]);
      expect(kept.every(({ request }) => request!.toString() === 'q')).toBe(true);
      bounded.close();
    });
  });
});
afterAll(stopServer);
