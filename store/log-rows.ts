import type { ChampionHistory, Ingest } from '#core/experiments/definition.ts';
import type { ArmSums } from '#core/experiments/look.ts';
import type { BuiltinMetricName } from '#core/experiments/metrics.ts';
import type { ReplayCell } from '#core/replay/replay.ts';
import type { PlanningWindow, UnitTraffic } from './planning.ts';
import type { Tx } from './pool.ts';
import type { Peak, ProposedShare, ReplayWindow } from './replay.ts';
import type { RolloutRow } from './rollouts.ts';
import type { Dimension, RowFigures, RowFilter, RowSums } from './row-sums.ts';
import type { SplitInForce, SplitWindow, StepUnits } from './split-figures.ts';

/** One question within a bounded reading (reading.ts). */
export interface RowsRead {
  /** Of the organization. What is not a row of the log is always there. */
  readonly tx: Tx;
  /** What is left of the reading's time, at least 1. */
  readonly leftMs: () => Promise<number>;
}

/** A metric by value of a dimension: of these values alone. */
export interface DimensionValues {
  readonly dimension: Dimension;
  readonly values: readonly (string | null)[];
}

/** Where experiments before a rollout's start are asked about. */
export type RolloutPlace = Pick<RolloutRow, 'organization_id' | 'group_id' | 'definition' | 'arms'>;

/** Up to which moment the past of a rollout is read, and how inferences are measured. */
export interface PastOf {
  readonly at: Date;
  readonly ingest: Ingest;
}

/**
 * Questions about many rows of the log, wherever they are stored: the same figures for the same rows, to the last digit. A row that lies
 * there twice counts once. What PostgreSQL keeps itself (rollups, sums of experiments, feedback) is asked for elsewhere.
 *
 * @throws LogUnavailableError when the store of the rows does not answer; what `isTooSlow` knows when the question takes more than it may
 */
export interface LogRows {
  /** As in row-sums.ts. */
  rowSums(
    read: RowsRead,
    filter: RowFilter,
    ingest: Ingest,
    metrics: readonly BuiltinMetricName[],
    by?: DimensionValues,
  ): Promise<RowSums[]>;
  topValues(
    read: RowsRead,
    filter: RowFilter,
    dimension: Dimension,
    limit: number,
  ): Promise<{ values: (string | null)[]; distinct: number; rows: number }>;
  rowFigures(read: RowsRead, filter: RowFilter, ingest: Ingest): Promise<RowFigures[]>;
  /** As in split-figures.ts. */
  stepUnits(read: RowsRead, window: SplitWindow, splits: readonly SplitInForce[]): Promise<StepUnits[]>;
  /** As in planning.ts. */
  unitTraffic(read: RowsRead, window: PlanningWindow): Promise<UnitTraffic>;
  variantSums(
    read: RowsRead,
    window: PlanningWindow,
    variant: string,
    metric: string,
    objectives: Pick<Ingest, 'latencyObjectiveUs' | 'firstTokenObjectiveUs'>,
  ): Promise<ArmSums | null>;
  /** As in replay.ts. */
  replayCells(
    read: RowsRead,
    window: ReplayWindow,
    proposed: readonly ProposedShare[],
    ingest: Ingest,
  ): Promise<ReplayCell[]>;
  replayPeaks(
    read: RowsRead,
    window: ReplayWindow,
    proposed: readonly ProposedShare[],
  ): Promise<{ before: Peak[]; after: Peak[] }>;
}

/** What a rollout asks the log about the days before its start. The same promises as of `LogRows`. */
export interface RolloutPast {
  /** The champion's exact quantiles, by sum column of `experiment_units`; none where it has no value. See experiment-history.ts. */
  caps(tx: Tx, rollout: RolloutPlace, past: PastOf & { readonly quantile: number }): Promise<Record<string, number>>;
  /** See champion-history.ts. */
  championHistory(
    tx: Tx,
    rollout: Pick<RolloutRow, 'organization_id' | 'group_id' | 'arms'>,
    past: PastOf & { readonly maxRows?: number },
  ): Promise<ChampionHistory | null>;
  /** Keeps what each unit did, once. See experiment-history.ts. */
  fillHistory(tx: Tx, rollout: RolloutRow): Promise<void>;
}

/** A question took longer than it may, or more memory. */
export class LogTooMuchError extends Error {
  override name = 'LogTooMuchError';
}
