import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { writeExposition } from '#gateway/telemetry/exposition.ts';
import { allocateCells } from '#gateway/telemetry/layout.ts';
import { createRecorder } from '#gateway/telemetry/recorder.ts';
import { createSeriesRegistry } from '#gateway/telemetry/series.ts';
import { DROP_REASONS, LOSS_REASONS } from '#inference-log/spool-terms.ts';

test('the ledger in the metrics balances by group, over workers and variants, with each loss under its reason', () => {
  const groupId = randomUUID();
  const registry = createSeriesRegistry();
  const seriesOf = (variant: string) => registry.numberOf({ organization: 'acme', group: 'g', variant }, groupId);
  const [champion, challenger] = [seriesOf('champion'), seriesOf('challenger')];
  const workers = [allocateCells(), allocateCells()];
  const [first, second] = workers.map(createRecorder);
  for (let i = 0; i < 20; i++) (i % 2 === 0 ? first! : second!).accepted(i % 3 === 0 ? champion : challenger);
  for (let i = 0; i < 9; i++) first!.recorded(champion);
  first!.unrecorded(champion);
  for (const [index, reason] of LOSS_REASONS.entries()) {
    second!.dropped(challenger, reason);
    if (index === 0) first!.dropped(champion, reason);
  }
  first!.withoutPayload(champion);
  const text = writeExposition({
    ...{ workers, series: registry.labels, groupIds: registry.groupIds, snapshotVersion: 1, keyVersion: 1 },
    ...{ configSyncAgeS: 0, snapshotsRefused: 0, workerRestarts: 0, backlogBytes: 0, residentBytes: 0, uptimeS: 0 },
    ledger: [{ groupId, stored: 5, archived: 2, expired: 1, interrupted: 2, dropped: 1 }],
    release: 'test',
  });
  const value = (name: string, labels = '') =>
    Number(
      new RegExp(`^ringside_log_${name}\\{organization="acme",group="g"${labels}\\} (\\S+)$`, 'm').exec(text)?.[1],
    );
  const dropped = DROP_REASONS.map((reason) => value('dropped_total', `,reason="${reason}"`));
  expect(dropped).toEqual([2, ...LOSS_REASONS.slice(1).map(() => 1), 1]);
  const [recorded, spooled] = [value('recorded_total'), value('spooled')];
  expect([value('accepted_total'), recorded, value('stored_total'), spooled]).toEqual([20, 15, 5, 2]);
  expect(value('accepted_total')).toBe(recorded + value('in_flight') + value('interrupted_total'));
  expect(recorded).toBe(value('stored_total') + spooled + dropped.reduce((sum, count) => sum + count, 0));
  // Of what is stored, for whom the tables are asked.
  expect([value('archived'), value('expired')]).toEqual([2, 1]);
  expect(value('without_payload_total')).toBe(1);
});
