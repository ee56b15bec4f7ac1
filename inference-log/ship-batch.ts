import type { OnAlarm } from './alarms.ts';
import { type Burial, writeDeadLetters } from './dead-letters.ts';
import { halveFeedback, refusedFeedback, refusedItem, type ShipItem } from './ship-item.ts';
import { RefusedBatchError, type Sink, type SpoolCursor } from './spool.ts';

export interface BatchTarget {
  readonly root: string;
  readonly spoolId: string;
  readonly gatewayId: string;
  readonly sink: Sink;
  readonly onAlarm: OnAlarm;
  /** Reports of feedback went to the dead letters. */
  readonly onFeedbackLost?: ((count: number) => void) | undefined;
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
 *     ├────refused, one item of several reports──▶ the same with its reports
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
      feedback: items.flatMap(({ content }) => (content.kind === 'feedback' ? content.rows : [])),
      finished,
    });
  } catch (error) {
    if (!(error instanceof RefusedBatchError) || items.every(isBuried)) throw error;
    const refused = items.length === 1 ? refusedAlone(items[0]!, error.message) : undefined;
    if (refused !== undefined) {
      const failure = await bury(target, [refused]);
      if (failure !== undefined) throw failure.error;
      return store(target, progress, [refused], cursor, finished);
    }
    return items.length === 1
      ? storeParts(target, progress, items[0]!, cursor, finished)
      : storeHalves(target, progress, halvesOf(items), cursor, finished);
  }
  // Behind the commit that passes over them: what is tried again is not counted again.
  const lost = items.reduce((sum, { content }) => sum + (content.kind === 'feedback_dropped' ? content.count : 0), 0);
  if (lost > 0) target.onFeedbackLost?.(lost);
  return cursor;
}

async function storeHalves(
  target: BatchTarget,
  progress: Progress,
  [before, after]: Halves,
  cursor: SpoolCursor,
  finished: boolean,
): Promise<SpoolCursor> {
  const between = cursorBehind(before.at(-1)!, progress);
  const stored = await store(target, progress, before, between, false);
  return store(target, { ...progress, stored }, after, cursor, finished);
}

/** One call's reports in parts. The cursor passes over them only together: until then all may come again, so none counts as lost before. */
async function storeParts(
  target: BatchTarget,
  progress: Progress,
  item: ShipItem,
  cursor: SpoolCursor,
  finished: boolean,
): Promise<SpoolCursor> {
  let lost = 0;
  const onFeedbackLost = (count: number) => {
    lost += count;
  };
  const stored = await storeHalves({ ...target, onFeedbackLost }, progress, halvesOf([item]), cursor, finished);
  if (lost > 0) target.onFeedbackLost?.(lost);
  return stored;
}

function isBuried({ content }: ShipItem): boolean {
  return content.kind === 'dropped' || content.kind === 'feedback_dropped';
}

/** The dead letter of an item that cannot be taken apart any more. */
function refusedAlone(item: ShipItem, reason: string): ShipItem | undefined {
  const { content } = item;
  if (content.kind === 'row') return refusedItem(item, content.row, reason);
  if (content.kind === 'feedback' && content.rows.length === 1) return refusedFeedback(item, content.rows[0]!, reason);
  return undefined;
}

type Halves = readonly [before: readonly ShipItem[], after: readonly ShipItem[]];

function halvesOf(items: readonly ShipItem[]): Halves {
  const halves = items.length === 1 ? halveFeedback(items[0]!) : undefined;
  if (halves !== undefined) return [[halves[0]], [halves[1]]];
  const middle = items.length >> 1;
  return [items.slice(0, middle), items.slice(middle)];
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
