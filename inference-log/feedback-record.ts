import { isUuid } from '#core/ids.ts';
import { reasonOf } from '#core/reason.ts';
import type { Parsed } from './parse-record.ts';

/** What a report says. A boolean's value is 0 or 1; a label may carry a comment, as values may. */
export const FEEDBACK_KINDS = ['numeric', 'boolean', 'label', 'comment'] as const;
export type FeedbackKind = (typeof FEEDBACK_KINDS)[number];

/** One thing that was reported of an inference, named by its id or by the caller's own. */
export interface FeedbackItem {
  /** The caller's or ours; a second report with it changes nothing. */
  readonly id: string;
  readonly inferenceId: string | null;
  /** What the caller's metadata says under the experiment's `correlationKey`. */
  readonly correlation: string | null;
  readonly metric: string;
  readonly kind: FeedbackKind;
  readonly value: number | null;
  readonly label: string | null;
  readonly comment: string | null;
  /** When it was observed, in Unix milliseconds. */
  readonly atMs: number;
}

/** All that one call reported. Travels as one `feedback` frame, so that a crash keeps all of it or none. */
export interface FeedbackReport {
  readonly organizationId: string;
  readonly keyId: string;
  /** Unix milliseconds. */
  readonly receivedMs: number;
  readonly items: readonly FeedbackItem[];
}

/** The gateway's side. */
export interface FeedbackWriter {
  /**
   * Appends a report under an id of its own. `release(true)` is called once the operating system has it; `release(false)`: it is
   * refused, nothing of it is kept, and its caller must be told.
   */
  feedback(id: string, report: FeedbackReport, release: (isRecorded: boolean) => void): void;
}

/** One item as a sink stores it. */
export interface FeedbackRow extends FeedbackItem, Omit<FeedbackReport, 'items'> {}

/** Reads the meta of a feedback frame. */
export function parseFeedback(meta: Uint8Array): Parsed<FeedbackReport> {
  const bad = (reason: string): Parsed<FeedbackReport> => ({ kind: 'bad', reason, groupId: undefined });
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(meta.buffer, meta.byteOffset, meta.byteLength).toString('utf8'));
  } catch (error) {
    return bad(`feedback is not JSON: ${reasonOf(error)}`);
  }
  if (!isRecord(value)) return bad('feedback is not an object');
  const { organizationId, keyId, receivedMs, items } = value;
  if (!isId(organizationId)) return bad('feedback.organizationId is no UUID');
  if (!isId(keyId)) return bad('feedback.keyId is no UUID');
  if (!isTime(receivedMs)) return bad('feedback.receivedMs is no time');
  if (!Array.isArray(items) || items.length === 0) return bad('feedback.items is no list, or empty');
  for (const [index, item] of items.entries()) {
    const fault = isRecord(item) ? faultOf(item) : 'is not an object';
    if (fault !== undefined) return bad(`feedback.items[${index}] ${fault}`);
  }
  return { kind: 'parsed', value: value as unknown as FeedbackReport };
}

/** What a sink could not store, or what no gateway writes: the table's own checks must not be what finds it. */
function faultOf(item: Readonly<Record<string, unknown>>): string | undefined {
  const { id, inferenceId, correlation, metric, kind, value, label, comment, atMs } = item;
  if (typeof id !== 'string' || typeof metric !== 'string') return 'has no id or no metric';
  if (inferenceId !== null && !isId(inferenceId)) return 'has an inferenceId that is no UUID';
  if (![correlation, label, comment].every(isTextOrNull)) return 'has a text that is none';
  if ((inferenceId === null) === (correlation === null)) return 'names no inference, or two';
  if (!FEEDBACK_KINDS.includes(kind as FeedbackKind)) return 'is of no known kind';
  if (value !== null && !Number.isFinite(value)) return 'has a value that is no number';
  if ((value !== null) !== (kind === 'numeric' || kind === 'boolean')) return 'has no value, or one too many';
  if ((label !== null) !== (kind === 'label')) return 'has no label, or one too many';
  return isTime(atMs) ? undefined : 'has no time';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && isUuid(value);
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

/** What a Date can hold. */
const MAX_TIME_MS = 8.64e15;

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && Math.abs(value as number) <= MAX_TIME_MS;
}
