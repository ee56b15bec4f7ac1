import { join } from 'node:path';
import type { OnAlarm } from './alarms.ts';
import { type Assembled, createAssembler } from './assembler.ts';
import { type AdaptiveBatchSize, createBatchSize } from './batch-size.ts';
import { compact } from './compact.ts';
import { type BatchTarget, type Progress, shipBatch } from './ship-batch.ts';
import { endedItem, feedbackItem, type ItemContext, interruptedItem, type ShipItem, strayItem } from './ship-item.ts';
import { type Sink, type SpoolCursor, type SpoolPosition, StaleCursorError } from './spool.ts';
import { removeSegmentsBefore, SPOOL_START } from './spool-folder.ts';
import { createSpoolReader, type PlacedFrame } from './spool-reader.ts';
import type { WakeSignal } from './wake-signal.ts';

export interface ShipSpoolOptions {
  readonly root: string;
  readonly spoolId: string;
  /** The gateway that wrote the spool. */
  readonly gatewayId: string;
  readonly sink: Sink;
  readonly batchRows: number;
  readonly batchBytes: number;
  /** What was learnt of the store before; without it, batches start at `batchRows` and `batchBytes`. */
  readonly batchSize?: AdaptiveBatchSize;
  readonly maxBatchAgeMs: number;
  readonly maxKeptFrameBytes: number;
  readonly maxKeptBytes: number;
  readonly chunkBytes?: number;
  readonly pollMs: number;
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  /** Gives way to serving after so much work; ends early when we stop. */
  readonly rest: (workedMs: number) => Promise<void>;
  readonly signal: WakeSignal;
  readonly onAlarm: OnAlarm;
  /** Counts reports of feedback that went to the dead letters. */
  readonly onFeedbackLost?: ((count: number) => void) | undefined;
  /** Where reading must stop for now, while it has one. */
  readonly holdAt?: (() => SpoolPosition | undefined) | undefined;
  /** Whether the spool has no writer any more and belongs to us. */
  readonly sealed: () => boolean;
  /** `now`: end at once. `drained`: end when everything there is is stored. */
  readonly stopping: () => 'no' | 'drained' | 'now';
  /** What the store holds of the spool, whenever that is learnt. */
  readonly onCursor: (stored: SpoolCursor | undefined) => void;
  /** A batch is stored, or there is nothing to store. */
  readonly onHealthy: () => void;
}

/** Chunks of which a batch keeps a few bytes each must not add up. */
const MAX_PINNED_PER_BATCH = 4;

/** `finished`: the spool is wholly stored and closed. `gone`: someone else did that. */
export type Shipped = 'finished' | 'gone' | 'stopped';

/**
 * Ships one spool from the cursor that the store holds, until the spool ends or we stop. Any failure leaves by an exception;
 * calling again goes on from the cursor, and nothing is lost or doubled.
 *
 *   read ──frames──▶ assemble ──batch full or old──▶ store rows and cursor ──▶ remove or compact segments ──▶ read
 *     ├──idle──▶ sleep ──▶ read
 *     └──end──▶ store what never ended as interrupted, and the end of the spool ──▶ finished
 *
 * @throws StaleCursorError, store and file errors
 */
export async function shipSpool(options: ShipSpoolOptions): Promise<Shipped> {
  const { root, spoolId, sink, signal, onAlarm } = options;
  const folder = join(root, spoolId);
  const { gatewayId, onFeedbackLost } = options;
  const target: BatchTarget = { root, spoolId, gatewayId, sink, onAlarm, onFeedbackLost };
  let stored = await sink.readCursor(spoolId);
  options.onCursor(stored);
  const from = stored?.scan ?? SPOOL_START;
  let progress: Progress = { stored, safeScan: from };
  let removedBefore = 0;
  /** The last segment that was looked at for compaction. */
  let lookedAt = 0;
  const assembler = createAssembler({ ...options, cursor: stored });
  const reader = createSpoolReader({
    ...{ folder, from, onAlarm, holdAt: options.holdAt },
    ...(options.chunkBytes === undefined ? {} : { chunkBytes: options.chunkBytes }),
  });
  const context: ItemContext = { gatewayId: options.gatewayId, nowMs: options.nowMs, readAt: reader.readAt };
  const size = options.batchSize ?? createBatchSize(options);
  let items: ShipItem[] = [];
  let itemBytes = 0;
  /** Of the chunks that items have views of. */
  let pinnedBytes = 0;
  let isOld = false;
  let ageTimer: NodeJS.Timeout | undefined;
  /** When the work began that no rest has followed. */
  let workingSince = options.monotonicMs();

  const add = (item: ShipItem) => {
    if (items.length === 0) {
      // A timer, not a clock reading: it runs on through jumps of the wall clock.
      ageTimer = setTimeout(() => {
        isOld = true;
        signal.wake();
      }, options.maxBatchAgeMs).unref();
    }
    items.push(item);
    itemBytes += item.bytes;
  };
  const isFull = () =>
    items.length >= size.current.rows ||
    itemBytes >= size.current.bytes ||
    pinnedBytes >= options.batchBytes * MAX_PINNED_PER_BATCH;

  const commit = async (cursor: SpoolCursor, finished: boolean) => {
    clearTimeout(ageTimer);
    isOld = false;
    const batch = items;
    const bytes = itemBytes;
    items = [];
    itemBytes = 0;
    const startedMs = options.monotonicMs();
    stored = await shipBatch(target, progress, batch, cursor, finished).catch((error: unknown) => {
      if (!(error instanceof StaleCursorError)) size.committed('failed');
      throw error;
    });
    size.committed({ rows: batch.length, bytes, tookMs: options.monotonicMs() - startedMs });
    progress = { stored, safeScan: cursor.scan };
    options.onCursor(stored);
    options.onHealthy();
    await removeStored();
  };

  /** Commits while reading: `position` is where everything before has been fed. */
  const commitAt = async (position: SpoolPosition) => {
    await commit(assembler.cursorAt(position), false);
    await compactPinned(position);
    await rest();
  };

  /**
   * When open inferences hold two finished segments or more, what is needed of them goes together into the last one. Only
   * behind a commit of ours, when no other shipper of this spool can have moved its cursor into them.
   */
  const compactPinned = async (position: SpoolPosition) => {
    const { scan, shipped } = stored!;
    const segment = Math.min(shipped.segment, position.segment) - 1;
    if (segment <= scan.segment || segment === lookedAt) return;
    lookedAt = segment;
    const moves = await compact(folder, scan.segment, segment, assembler.pinned(segment), onAlarm);
    if (moves === undefined) return;
    assembler.move(moves);
    await commit(assembler.cursorAt(position), false);
  };

  const rest = async () => {
    if (options.stopping() === 'no') await options.rest(options.monotonicMs() - workingSince);
    workingSince = options.monotonicMs();
  };

  const removeStored = async () => {
    const scan = stored?.scan;
    if (scan === undefined || scan.segment === removedBefore) return;
    await removeSegmentsBefore(folder, scan);
    removedBefore = scan.segment;
  };

  const take = async (frames: readonly PlacedFrame[]) => {
    const chunkBytes = frames.at(-1)!.next.offset - frames[0]!.at.offset;
    pinnedBytes = items.length === 0 ? chunkBytes : pinnedBytes + chunkBytes;
    for (const placed of frames) {
      const assembled = assembler.feed(placed);
      if (assembled === undefined) continue;
      add(await itemOf(assembled));
      if (isFull() || isOld) {
        await commitAt(placed.next);
        pinnedBytes = chunkBytes;
      }
      if (options.stopping() === 'now') return;
    }
    assembler.settle();
  };

  const itemOf = async (assembled: Assembled): Promise<ShipItem> => {
    switch (assembled.kind) {
      case 'ended':
        return endedItem(context, assembled.inference, assembled.end);
      case 'end_without_begin':
        return strayItem(assembled.end);
      case 'feedback':
        return feedbackItem(assembled.report);
      default:
        return assembled satisfies never;
    }
  };

  /** False when we are told to stop in the middle of it. */
  const finish = async (end: SpoolPosition): Promise<boolean> => {
    if (items.length > 0) await commit(assembler.cursorAt(end), false);
    const open = assembler.open();
    for (const [index, inference] of open.entries()) {
      const scan = open[index + 1]?.begin.at ?? end;
      add(await interruptedItem(context, inference, end, scan));
      if (isFull()) await commit({ scan, shipped: end }, false);
      if (options.stopping() === 'now') return false;
    }
    await commit({ scan: end, shipped: end }, true);
    return true;
  };

  try {
    await removeStored();
    while (options.stopping() !== 'now') {
      const wasSealed = options.sealed();
      const step = await reader.next(wasSealed);
      if (step.kind === 'frames') {
        await take(step.frames);
      } else if (step.kind === 'gone') {
        return 'gone';
      } else if (step.kind === 'end') {
        if (await finish(step.position)) return 'finished';
      } else {
        const draining = options.stopping() === 'drained';
        const frees = assembler.cursorAt(step.position).scan.segment > (stored?.scan ?? from).segment;
        if ((items.length > 0 && (isOld || draining)) || (items.length === 0 && frees)) await commitAt(step.position);
        else {
          if (items.length === 0) options.onHealthy();
          // Adopted while we read: then there is an end to be reached.
          if (draining && wasSealed === options.sealed()) return 'stopped';
          if (!draining) await signal.sleep(options.pollMs);
          workingSince = options.monotonicMs();
        }
      }
    }
    return 'stopped';
  } finally {
    clearTimeout(ageTimer);
    await reader.close();
  }
}
