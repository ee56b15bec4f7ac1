import type { OnAlarm } from './alarms.ts';
import { writeDeadLetters } from './dead-letters.ts';
import { refusedItem, type ShipItem } from './ship-item.ts';
import { RefusedBatchError, type Sink, type SpoolCursor } from './spool.ts';

export interface BatchTarget {
  readonly root: string;
  readonly spoolId: string;
  readonly gatewayId: string;
  readonly sink: Sink;
  readonly onAlarm: OnAlarm;
}

/** What is known of a spool's place in the store. */
export interface Progress {
  /** As last stored; undefined before the first commit. */
  readonly stored: SpoolCursor | undefined;
  /** Where reading started: a scan that is right whatever of the batch is stored. */
  readonly safeScan: SpoolCursor['scan'];
}

/**
 * Stores items and moves the cursor from `progress.stored` to `cursor`. When the store refuses the data, the batch is
 * halved until the bad records stand alone; those become dead letters, all others are stored.
 *
 *   write ──refused, several items──▶ write the first half, then the second
 *     └────refused, one item──▶ dead letter, then write its count
 *
 * @returns the cursor as stored
 * @throws StaleCursorError, and whatever the sink throws when it is out of reach
 */
export async function shipBatch(
  target: BatchTarget,
  progress: Progress,
  items: readonly ShipItem[],
  cursor: SpoolCursor,
  finished: boolean,
): Promise<SpoolCursor> {
  await bury(target, items);
  return store(target, progress, items, cursor, finished);
}

async function store(
  target: BatchTarget,
  progress: Progress,
  items: readonly ShipItem[],
  cursor: SpoolCursor,
  finished: boolean,
): Promise<SpoolCursor> {
  try {
    await target.sink.write({
      spoolId: target.spoolId,
      gatewayId: target.gatewayId,
      expected: progress.stored,
      cursor,
      rows: items.flatMap(({ content }) => (content.kind === 'row' ? [content.row] : [])),
      dropped: items.flatMap(({ content }) => (content.kind === 'dropped' ? [content] : [])),
      finished,
    });
    return cursor;
  } catch (error) {
    if (!(error instanceof RefusedBatchError) || items.every(({ content }) => content.kind === 'dropped')) throw error;
    const [first] = items;
    if (items.length === 1 && first?.content.kind === 'row') {
      const refused = refusedItem(first, first.content.row, error.message);
      await bury(target, [refused]);
      return store(target, progress, [refused], cursor, finished);
    }
    const middle = items.length >> 1;
    const last = items[middle - 1]!;
    const between: SpoolCursor = { scan: last.scan ?? progress.safeScan, shipped: last.shipped };
    const stored = await store(target, progress, items.slice(0, middle), between, false);
    return store(target, { ...progress, stored }, items.slice(middle), cursor, finished);
  }
}

async function bury(target: BatchTarget, items: readonly ShipItem[]): Promise<void> {
  const letters = await writeDeadLetters(target.root, target.spoolId, target.gatewayId, items);
  if (letters === 0) return;
  target.onAlarm('dead_letter', `${letters} records of spool ${target.spoolId} went to its dead-letter file`);
}
