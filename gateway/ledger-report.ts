import type { GroupLedger } from '#store/gateway-ledgers.ts';

/** Tells the store our side of the ledger: of each group only when it has moved. */
export interface LedgerReport {
  /** @throws what `report` throws; everything untold is then told the next time */
  tell(): Promise<void>;
}

export function createLedgerReport(
  read: () => readonly GroupLedger[],
  report: (moved: readonly GroupLedger[]) => Promise<void>,
): LedgerReport {
  const told = new Map<string, string>();
  return {
    async tell() {
      const moved = read()
        .map((ledger) => ({ ledger, text: JSON.stringify(ledger) }))
        .filter(({ ledger, text }) => told.get(ledger.groupId) !== text);
      await report(moved.map(({ ledger }) => ledger));
      for (const { ledger, text } of moved) told.set(ledger.groupId, text);
    },
  };
}
