import { expect, test } from 'vitest';
import { createLedgerReport } from '#gateway/ledger-report.ts';
import { allocateCells, CELL, seriesOffset } from '#gateway/telemetry/layout.ts';
import { ledgersOf } from '#gateway/telemetry/ledger.ts';
import type { GroupLedger } from '#store/gateway-ledgers.ts';

const GROUPS = ['01890000-0000-7000-8000-00000000000a', '01890000-0000-7000-8000-00000000000b'] as const;

test('a group is the sum of its series over all workers; one that accepted nothing is left out', () => {
  const workers = [allocateCells(), allocateCells()];
  const groupIds = [undefined, undefined, GROUPS[0], GROUPS[0], GROUPS[1]];
  const count = (worker: number, series: number, cell: number, n: number) => {
    workers[worker]![seriesOffset(series) + cell] = n;
  };
  count(0, 1, CELL.ACCEPTED, 99);
  count(0, 2, CELL.ACCEPTED, 3);
  count(1, 2, CELL.ACCEPTED, 4);
  count(1, 3, CELL.ACCEPTED, 2);
  count(1, 3, CELL.RECORDED, 1);
  count(0, 2, CELL.RECORDED, 2);
  count(0, 2, CELL.DROPPED, 1);
  expect(ledgersOf(workers, groupIds)).toEqual([
    { groupId: GROUPS[0], accepted: 9, recorded: 3, dropped: { spool_full: 1 } },
  ]);
});

test('a group is told when it has moved, and again when telling failed', async () => {
  let state: GroupLedger[] = GROUPS.map((groupId) => ({ groupId, accepted: 1, recorded: 0, dropped: {} }));
  const told: (readonly GroupLedger[])[] = [];
  let fails = false;
  const report = createLedgerReport(
    () => state,
    async (moved) => {
      if (fails) throw new Error('an outage');
      told.push(moved);
    },
  );
  await report.tell();
  await report.tell();
  expect(told.map((moved) => moved.length)).toEqual([2, 0]);
  state = [{ ...state[0]!, recorded: 1 }, state[1]!];
  fails = true;
  await expect(report.tell()).rejects.toThrow('an outage');
  fails = false;
  await report.tell();
  expect(told.at(-1)).toEqual([state[0]]);
});
