import { LOSS_REASONS } from '#inference-log/spool-terms.ts';
import type { GroupLedger } from '#store/gateway-ledgers.ts';
import { CELL, seriesOffset } from './layout.ts';

/** Why a record never reached a spool, and the cell that counts it. */
const LOSSES = LOSS_REASONS.map((reason, at) => [reason, CELL.DROPPED + at] as const);

/** This process's side of the ledger, by group, summed over workers and variants. Groups that accepted nothing are left out. */
export function ledgersOf(
  workers: readonly Float64Array[],
  groupIds: readonly (string | undefined)[],
): readonly GroupLedger[] {
  const groups = new Map<string, { accepted: number; recorded: number; dropped: Record<string, number> }>();
  groupIds.forEach((groupId, series) => {
    if (groupId === undefined) return;
    const group = groups.get(groupId) ?? { accepted: 0, recorded: 0, dropped: {} };
    const base = seriesOffset(series);
    for (const cells of workers) {
      // Ends before begins: what ends between the two readings was accepted, and must not seem to be too many.
      for (const [reason, cell] of LOSSES) {
        const lost = cells[base + cell]!;
        if (lost > 0) group.dropped[reason] = (group.dropped[reason] ?? 0) + lost;
      }
      group.recorded += cells[base + CELL.RECORDED]!;
      group.accepted += cells[base + CELL.ACCEPTED]!;
    }
    groups.set(groupId, group);
  });
  return [...groups].map(([groupId, group]) => ({ groupId, ...group })).filter(({ accepted }) => accepted > 0);
}
