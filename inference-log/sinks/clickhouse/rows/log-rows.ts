import type { LogRows } from '#store/log-rows.ts';
import type { ClickHouseAddress } from '../address.ts';
import { createClickHouseClient } from '../client.ts';
import { createAsking } from './asking.ts';
import { createPlanning } from './planning.ts';
import { createReplay } from './replay.ts';
import { createRowSums } from './row-sums.ts';
import { createSplitUnits } from './split-units.ts';

/** The rows of the log in ClickHouse. */
export interface ClickHouseLogRows extends LogRows {
  close(): void;
}

export function createClickHouseLogRows(address: ClickHouseAddress): ClickHouseLogRows {
  const client = createClickHouseClient({ address });
  const asking = createAsking(client);
  return {
    ...{ ...createRowSums(asking), ...createSplitUnits(asking), ...createPlanning(asking), ...createReplay(asking) },
    close: () => client.close(),
  };
}
