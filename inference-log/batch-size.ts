/**
 * How much a shipper stores at once. Large batches cost less a row; one that takes long keeps its connection, its locks
 * and a core busy in one stretch. So the size follows the time that commits take:
 *
 *   full batch, quick commit ──▶ grows by a quarter
 *   at least half full, slow commit ──▶ shrinks to what would have taken SLOW_MS, at most by half
 *   failed commit ──▶ shrinks by half: one that ran into the store's time limit would do so again
 *
 * Between quick and slow it stays, so that it does not swing. A small batch that is slow says that the store is slow at any
 * size, and a smaller one would not help.
 */
export interface BatchSize {
  /** Past either of them a batch is full. */
  readonly rows: number;
  readonly bytes: number;
}

export interface BatchSizeOptions {
  /** Where it starts. Bytes never grow past theirs: they bound memory. */
  readonly batchRows: number;
  readonly batchBytes: number;
}

/** What a commit was like. */
export interface Commit {
  readonly rows: number;
  readonly bytes: number;
  readonly tookMs: number;
}

export const QUICK_MS = 50;
export const SLOW_MS = 200;
/** Bounds, as shares of where it starts: 1 000 rows become 250 to 4 000. Below, a row costs twice; above, nothing is gained. */
export const MIN_SCALE = 0.25;
export const MAX_SCALE = 4;
const GROWTH = 1.25;
const MOST_SHRINKING = 0.5;

/** The next scale after a commit of a batch that was allowed `size`. Pure. */
export function nextScale(scale: number, size: BatchSize, commit: Commit | 'failed'): number {
  if (commit === 'failed') return clamp(scale * MOST_SHRINKING);
  const fill = Math.max(commit.rows / size.rows, commit.bytes / size.bytes);
  if (fill >= 1 && commit.tookMs < QUICK_MS) return clamp(scale * GROWTH);
  if (fill < 0.5 || commit.tookMs <= SLOW_MS) return scale;
  return clamp(scale * Math.max(MOST_SHRINKING, SLOW_MS / commit.tookMs));
}

/** The size of a batch at a scale. */
export function sizeAt(scale: number, { batchRows, batchBytes }: BatchSizeOptions): BatchSize {
  return {
    rows: Math.max(1, Math.round(batchRows * scale)),
    bytes: Math.max(1, Math.round(batchBytes * Math.min(1, scale))),
  };
}

/** The size of one spool's batches. Kept over failures, so that it learns from them. */
export interface AdaptiveBatchSize {
  readonly current: BatchSize;
  committed(commit: Commit | 'failed'): void;
}

export function createBatchSize(options: BatchSizeOptions): AdaptiveBatchSize {
  let scale = 1;
  let current = sizeAt(scale, options);
  return {
    get current() {
      return current;
    },
    committed(commit) {
      scale = nextScale(scale, current, commit);
      current = sizeAt(scale, options);
    },
  };
}

function clamp(scale: number): number {
  return Math.min(MAX_SCALE, Math.max(MIN_SCALE, scale));
}
