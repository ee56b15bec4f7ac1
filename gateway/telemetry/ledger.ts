import type { GroupLedger } from '#store/gateway-ledgers.ts';
import { CELL, seriesOffset } from './layout.ts';

/** This process's side of the ledger, by group, summed over workers and variants. Groups that accepted nothing are left out. */
export function ledgersOf(
  workers: readonly Float64Array[],
  groupIds: readonly (string | undefined)[],
): readonly GroupLedger[] {
  const groups = new Map<string, { accepted: number; recorded: number; lost: number }>();
  groupIds.forEach((groupId, series) => {
    if (groupId === undefined) return;
    const group = groups.get(groupId) ?? { accepted: 0, recorded: 0, lost: 0 };
    const base = seriesOffset(series);
    for (const cells of workers) {
      // Ends before begins: what ends between the two readings was accepted, and must not seem to be too many.
      group.lost += cells[base + CELL.DROPPED]!;
      group.recorded += cells[base + CELL.RECORDED]!;
      group.accepted += cells[base + CELL.ACCEPTED]!;
    }
    groups.set(groupId, group);
  });
  return [...groups]
    .filter(([, { accepted }]) => accepted > 0)
    .map(([groupId, { accepted, recorded, lost }]) => ({
      ...{ groupId, accepted, recorded },
      dropped: lost === 0 ? {} : { spool_write_failed: lost },
    }));
}
