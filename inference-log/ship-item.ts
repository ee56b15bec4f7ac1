import { unendedFacts } from '#core/capture-facts.ts';
import { unixMsOfId } from '#core/ids.ts';
import type { OpenInference } from './assembler.ts';
import { type FeedbackReport, type FeedbackRow, parseFeedback } from './feedback-record.ts';
import type { Frame } from './frame.ts';
import { parseBegin, parseEnd } from './parse-record.ts';
import type { BeginRecord, EndRecord, InferenceRow } from './record.ts';
import { type SpoolPosition, UNKNOWN_GROUP } from './spool.ts';
import type { PlacedFrame } from './spool-reader.ts';

/** One record on its way to the store: a row, or a dead letter that only counts. */
export interface ShipItem {
  readonly id: string;
  /** Once the item is stored, end frames before this are. */
  readonly shipped: SpoolPosition;
  /** For interrupted inferences, which have no end frame: reading again starts here once the item is stored. */
  readonly scan: SpoolPosition | undefined;
  /** For the size of a batch. */
  readonly bytes: number;
  /** The frames as they were found, for the dead letter. */
  readonly frames: readonly Frame[];
  readonly content:
    | { readonly kind: 'row'; readonly row: InferenceRow }
    | { readonly kind: 'dropped'; readonly groupId: string; readonly reason: string }
    /** `startsAt`: where its frame lies. */
    | { readonly kind: 'feedback'; readonly rows: readonly FeedbackRow[]; readonly startsAt: SpoolPosition }
    /** `count`: of the lost reports; 1 for a frame that cannot be read. */
    | { readonly kind: 'feedback_dropped'; readonly reason: string; readonly count: number };
}

export interface ItemContext {
  readonly gatewayId: string;
  readonly nowMs: () => number;
  readonly readAt: (at: SpoolPosition, bytes: number) => Promise<Frame | undefined>;
}

/** What a row costs in memory and on the wire beside its payloads, roughly. */
const ROW_BYTES = 1024;
/** An id from further ahead would create partitions for a time that may never come. */
const MAX_AHEAD_MS = 24 * 60 * 60 * 1000;

const INTERRUPTED: EndRecord = {
  status: 500,
  outcome: 'interrupted',
  errorCode: 'interrupted',
  endReason: 'interrupted',
  servedVariant: null,
  servedReason: 'none',
  finishReason: null,
  attempts: [],
  inputTokens: null,
  outputTokens: null,
  cachedTokens: null,
  reasoningTokens: null,
  queueNs: 0,
  connectNs: null,
  firstByteNs: null,
  firstTokenNs: null,
  totalNs: 0,
  responseBytes: 0,
  responseSha256: null,
  responseType: null,
};

/** The item of an inference that ended. @throws file errors */
export async function endedItem(context: ItemContext, inference: OpenInference, end: PlacedFrame): Promise<ShipItem> {
  return makeItem(context, inference, end.frame, end.next, undefined);
}

/** The item of an inference that its gateway did not live to end. @throws file errors */
export async function interruptedItem(
  context: ItemContext,
  inference: OpenInference,
  shipped: SpoolPosition,
  scan: SpoolPosition,
): Promise<ShipItem> {
  return makeItem(context, inference, undefined, shipped, scan);
}

/** The item of an end frame that has nothing to end. */
export function strayItem(end: PlacedFrame): ShipItem {
  return dropped(end.frame.id, [end.frame], UNKNOWN_GROUP, 'end without begin', end.next, undefined);
}

/** The item of a feedback frame. */
export function feedbackItem({ frame, at, next }: PlacedFrame): ShipItem {
  const item = { id: frame.id, shipped: next, scan: undefined, bytes: ROW_BYTES + frame.meta.length, frames: [frame] };
  const parsed = parseFeedback(frame.meta);
  if (parsed.kind === 'bad') {
    const content = { kind: 'feedback_dropped', reason: parsed.reason, count: 1 } as const;
    return { ...item, id: `feedback:${frame.id}`, content };
  }
  const { items, ...report } = parsed.value;
  const rows = items.map((one): FeedbackRow => ({ ...report, ...one }));
  return {
    ...item,
    bytes: rows.length * ROW_BYTES + frame.meta.length,
    content: { kind: 'feedback', rows, startsAt: at },
  };
}

/** Halves a frame of several reports, so that one that the store refuses takes none of the others along. Undefined: it is none. */
export function halveFeedback(item: ShipItem): readonly [ShipItem, ShipItem] | undefined {
  const { content } = item;
  if (content.kind !== 'feedback' || content.rows.length < 2) return undefined;
  const { rows, startsAt } = content;
  const middle = rows.length >> 1;
  // With the first half stored, the cursor still stands before the frame: it may be read again, and what is known changes nothing.
  return [
    { ...item, shipped: startsAt, content: { ...content, rows: rows.slice(0, middle) } },
    { ...item, content: { ...content, rows: rows.slice(middle) } },
  ];
}

/** A report as a dead letter, after the store has refused it; in a frame of its own, so that it can be repaired and shipped. */
export function refusedFeedback(item: ShipItem, row: FeedbackRow, reason: string): ShipItem {
  const { organizationId, keyId, receivedMs, ...rest } = row;
  const report: FeedbackReport = { organizationId, keyId, receivedMs, items: [rest] };
  const frame: Frame = { type: 'feedback', id: item.id, meta: Buffer.from(JSON.stringify(report)), payload: null };
  const content = { kind: 'feedback_dropped', reason, count: 1 } as const;
  return { ...item, id: `feedback:${organizationId}:${row.id}`, frames: [frame], content };
}

/** The same record as a dead letter, after the store has refused it. */
export function refusedItem(item: ShipItem, row: InferenceRow, reason: string): ShipItem {
  return { ...item, content: { kind: 'dropped', groupId: row.begin.groupId, reason } };
}

async function makeItem(
  context: ItemContext,
  inference: OpenInference,
  endFrame: Frame | undefined,
  shipped: SpoolPosition,
  scan: SpoolPosition | undefined,
): Promise<ShipItem> {
  const { id } = inference;
  const found: (Frame | undefined)[] = [];
  // Most are in memory: an await for each would cost more than the rest of the loop.
  for (const kept of [inference.begin, ...inference.parts]) {
    found.push(kept.frame ?? (await context.readAt(kept.at, kept.bytes)));
  }
  const spooled = found.filter((frame) => frame !== undefined);
  const frames = endFrame === undefined ? spooled : [...spooled, endFrame];
  const drop = (groupId: string | undefined, reason: string) =>
    dropped(id, frames, groupId ?? UNKNOWN_GROUP, reason, shipped, scan);
  const [beginFrame, ...partFrames] = found;
  if (beginFrame === undefined) return drop(undefined, 'begin frame can no longer be read');
  const begin = parseBegin(beginFrame.meta);
  if (begin.kind === 'bad') return drop(begin.groupId, begin.reason);
  const { groupId } = begin.value;
  if (partFrames.includes(undefined)) return drop(groupId, 'part frame can no longer be read');
  if (unixMsOfId(id) > context.nowMs() + MAX_AHEAD_MS) return drop(groupId, 'id is more than a day ahead');
  const response = join(endFrame === undefined ? partFrames : [...partFrames, endFrame]);
  const end = endFrame === undefined ? undefined : parseEnd(endFrame.meta);
  if (end?.kind === 'bad') return drop(groupId, end.reason);
  const row: InferenceRow = {
    id,
    gatewayId: context.gatewayId,
    begin: begin.value,
    end: end?.value ?? interruptedEnd(begin.value, response),
    request: beginFrame.payload,
    response,
  };
  const bytes = ROW_BYTES + (row.request?.length ?? 0) + (response?.length ?? 0);
  return { id, shipped, scan, bytes, frames, content: { kind: 'row', row } };
}

function interruptedEnd({ requestFacts }: BeginRecord, response: Uint8Array | null): EndRecord {
  const end = { ...INTERRUPTED, responseBytes: response?.length ?? 0 };
  return requestFacts === undefined ? end : { ...end, responseFacts: unendedFacts(requestFacts, response !== null) };
}

function dropped(
  id: string,
  frames: readonly Frame[],
  groupId: string,
  reason: string,
  shipped: SpoolPosition,
  scan: SpoolPosition | undefined,
): ShipItem {
  const bytes = frames.reduce((sum, frame) => sum + (frame.payload?.length ?? 0), ROW_BYTES);
  return { id, shipped, scan, bytes, frames, content: { kind: 'dropped', groupId, reason } };
}

/** The pieces of an answer in order; null when nothing of it was captured. */
function join(frames: readonly (Frame | undefined)[]): Uint8Array | null {
  const pieces = frames.flatMap((frame) => frame?.payload ?? []);
  if (pieces.length <= 1) return pieces[0] ?? null;
  return Buffer.concat(pieces);
}
