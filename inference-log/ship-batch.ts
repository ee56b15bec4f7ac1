import type { OnAlarm } from './alarms.ts';
import { type Burial, writeDeadLetters } from './dead-letters.ts';
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
 * What is before a dead letter that cannot be written is stored before this throws.
 *
 * @returns the cursor as stored
 * @throws StaleCursorError, file errors of dead letters, and whatever the sink throws when it is out of reach
 */
export async function shipBatch(
  target: BatchTarget,
  progress: Progress,
  items: readonly ShipItem[],
  cursor: SpoolCursor,
  finished: boolean,
): Promise<SpoolCursor> {
  const failure = await bury(target, items);
  if (failure === undefined) return store(target, progress, items, cursor, finished);
  const before = items.slice(0, failure.index);
  if (before.length > 0) await store(target, progress, before, cursorBehind(before.at(-1)!, progress), false);
  throw failure.error;
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
      const failure = await bury(target, [refused]);
      if (failure !== undefined) throw failure.error;
      return store(target, progress, [refused], cursor, finished);
    }
    const middle = items.length >> 1;
    const between = cursorBehind(items[middle - 1]!, progress);
    const stored = await store(target, progress, items.slice(0, middle), between, false);
    return store(target, { ...progress, stored }, items.slice(middle), cursor, finished);
  }
}

function cursorBehind(item: ShipItem, progress: Progress): SpoolCursor {
  return { scan: item.scan ?? progress.safeScan, shipped: item.shipped };
}

async function bury(target: BatchTarget, items: readonly ShipItem[]): Promise<Burial['failure']> {
  const { root, spoolId, gatewayId } = target;
  const { letters, withoutPayloads, failure } = await writeDeadLetters(root, spoolId, gatewayId, items);
  if (letters > 0) {
    const cut = withoutPayloads === 0 ? '' : `, ${withoutPayloads} of them without their payloads: there is no room`;
    target.onAlarm('dead_letter', `${letters} records of spool ${spoolId} went to its dead-letter file${cut}`);
  }
  return failure;
}
