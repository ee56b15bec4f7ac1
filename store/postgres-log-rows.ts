import { championHistory } from './champion-history.ts';
import { championCaps, fillHistory } from './experiment-history.ts';
import type { LogRows, RolloutPast } from './log-rows.ts';
import { unitTraffic, variantSums } from './planning.ts';
import { replayCells, replayPeaks } from './replay.ts';
import { rowFigures, rowSums, topValues } from './row-sums.ts';
import { stepUnits } from './split-figures.ts';

/** The rows of the log in PostgreSQL. The time of a reading is its transaction's `statement_timeout` (reading.ts). */
export const POSTGRES_LOG_ROWS: LogRows = {
  rowSums: ({ tx }, ...asked) => rowSums(tx, ...asked),
  topValues: ({ tx }, ...asked) => topValues(tx, ...asked),
  rowFigures: ({ tx }, ...asked) => rowFigures(tx, ...asked),
  stepUnits: ({ tx }, ...asked) => stepUnits(tx, ...asked),
  unitTraffic: ({ tx }, ...asked) => unitTraffic(tx, ...asked),
  variantSums: ({ tx }, ...asked) => variantSums(tx, ...asked),
  replayCells: ({ tx }, ...asked) => replayCells(tx, ...asked),
  replayPeaks: ({ tx }, ...asked) => replayPeaks(tx, ...asked),
};

export const POSTGRES_ROLLOUT_PAST: RolloutPast = { caps: championCaps, championHistory, fillHistory };
