import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClickHouseExpiry } from '#inference-log/sinks/clickhouse/expiry.ts';
import type { SinkBatch } from '#inference-log/spool.ts';
import {
  broken,
  type ClickHouseRetentionRig,
  createClickHouseRetentionRig,
  daysAgo,
  POLICY,
} from '#tests/support/clickhouse-retention-rig.ts';
import { describeWithClickHouse } from '#tests/support/clickhouse-store.ts';

type Removed = Parameters<ClickHouseExpiry['remove']>[0];

const stopServer = await describeWithClickHouse('the ledger of rows in ClickHouse, under faults', (server) => {
  let on: ClickHouseRetentionRig;
  beforeAll(async () => {
    on = await createClickHouseRetentionRig(server());
  });
  afterAll(() => on.close());

  test('whatever is cut off, and however the policy changes: in the end each record has counted once', async () => {
    const olds = fc.constantFrom(31, 40, 50, 70);
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('ship', 'crash'), days: olds }),
      fc.record({ kind: fc.constant('repeat') }),
      fc.record({ kind: fc.constant('policy'), retentionDays: fc.constantFrom(30, 45, 60, null) }),
      fc.record({ kind: fc.constant('retain'), cut: fc.constantFrom('nowhere', 'count', 'before', 'after') }),
    );
    const cutOff = (cut: string): Partial<ClickHouseExpiry> => {
      if (cut === 'count') return { count: broken as never };
      if (cut === 'before') return { remove: broken };
      if (cut !== 'after') return {};
      const after = async (runs: Removed) => {
        await on.expiry.remove(runs);
        await broken();
      };
      return { remove: after };
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 16 }), async (steps) => {
        const groupId = await on.rig.createGroup();
        const gatewayId = randomUUID();
        let open: SinkBatch[] = [];
        let written = 0;
        const attempt = async (batch: SinkBatch) => {
          await on.sink.write(batch).catch((error: Error) => {
            expect(error.message).toMatch(/wait for a deletion/);
            open.push(batch);
          });
        };
        const repeat = async () => {
          const again = open;
          open = [];
          for (const batch of again) await attempt(batch);
        };
        const next = (days: number) => {
          written++;
          return on.batchOf(groupId, [...daysAgo(days, 5), ...daysAgo(0, 5)], gatewayId);
        };
        for (const taken of steps) {
          if ('days' in taken) {
            const batch = next(taken.days);
            if (taken.kind === 'ship') await attempt(batch);
            else {
              await on.crashing(batch).catch(() => undefined); // one that must wait does not come so far
              open.push(batch);
            }
          } else if ('retentionDays' in taken) {
            await on.rig.setPolicy(groupId, { ...POLICY, retentionDays: taken.retentionDays });
          } else if ('cut' in taken) {
            await on
              .retain(cutOff(taken.cut))
              .catch((error: Error) => expect(error.message).toMatch(/connection broke/));
          } else await repeat();
          const { stored, expired, removed } = await on.rig.ledger(groupId);
          expect(Math.min(stored, expired, removed)).toBeGreaterThanOrEqual(0);
        }
        await on.rig.setPolicy(groupId, POLICY);
        await on.retain();
        await repeat();
        expect(open).toEqual([]);
        await on.rig.setPolicy(groupId, { ...POLICY, retentionDays: 29 });
        await on.retain();
        // Of five, one never ended.
        const [ended, interrupted] = [4 * written, written];
        expect(await on.rig.ledger(groupId)).toMatchObject({
          stored: ended,
          expired: ended,
          interrupted: 2 * interrupted,
          removed: interrupted,
        });
        const found = await on.store.rows(`SELECT count() AS rows FROM inferences FINAL WHERE group_id = '${groupId}'`);
        expect(found).toEqual([{ rows: 5 * written }]);
      }),
      { numRuns: 8 },
    );
  }, 240_000);
});
afterAll(stopServer);
