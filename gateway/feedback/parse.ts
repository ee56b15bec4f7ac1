import { DERIVED_METRICS, isBuiltin, metricNameSchema } from '#core/experiments/metrics.ts';
import { isUuid, unixMsOfId } from '#core/ids.ts';
import type { FeedbackItem } from '#inference-log/feedback-record.ts';

/** What is wrong with a request. `item`: its place in the list; null where it is the request as a whole. */
export interface FeedbackIssue {
  readonly item: number | null;
  readonly field: string | null;
  /** Follows the name of the field: `must be …`. */
  readonly message: string;
}

export interface FeedbackContext {
  readonly nowMs: number;
  /** Whether an inference id is one of a group that the caller's key may use. */
  readonly mayReport: (inferenceId: string) => boolean;
  /** Gives a UUIDv7 to a report that comes without an id. */
  readonly newId: () => string;
}

export type ParsedFeedback =
  | { readonly kind: 'items'; readonly items: readonly FeedbackItem[] }
  /** `count`: of all reports of the request. */
  | { readonly kind: 'issues'; readonly issues: readonly FeedbackIssue[]; readonly count: number };

export const MAX_ITEMS = 1_000;
const MAX_VALUE = 1e12;
const MAX_COMMENT_BYTES = 8 * 1024;
const MAX_CORRELATION_CHARS = 256;
/** Clocks of callers differ from ours. */
const MAX_AHEAD_MS = 5 * 60_000;
/** Reports are kept for so long (control-plane/jobs/feedback.ts). */
const MAX_AGE_MS = 400 * 24 * 60 * 60_000;
/** The id of an inference has the time of the gateway that made it. */
const MAX_ID_AHEAD_MS = 24 * 60 * 60_000;

const ID = /^[\x21-\x7e]{1,128}$/;
/** No space, no `=`: `metric=label` names its share. */
const LABEL = /^[^\s=\p{Cc}]{1,64}$/u;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;
const FIELDS = ['id', 'inferenceId', 'correlationId', 'metric', 'value', 'label', 'comment', 'at'] as const;
const KNOWN: ReadonlySet<string> = new Set(FIELDS);
export const MAX_FIELDS = FIELDS.length;
/** A full call has 17 of each report: 8 fields, what parts them, and a brace. Twice as many may be, to be told what is wrong with them. */
const MAX_MARKS = 2 * MAX_ITEMS * (2 * FIELDS.length + 1);
const [QUOTE, BACKSLASH, COLON, COMMA, BRACE, BRACKET] = [0x22, 0x5c, 0x3a, 0x2c, 0x7b, 0x5b];

/**
 * Reads the body of a request: one report, or `{"feedback": […]}`. All of it is taken, or nothing, with everything that is wrong.
 * Pure but for `newId`.
 */
export function parseFeedbackBody(body: unknown, context: FeedbackContext): ParsedFeedback {
  const whole = (message: string, field: string | null = null): ParsedFeedback => ({
    kind: 'issues',
    issues: [{ item: null, field, message }],
    count: 1,
  });
  if (!isRecord(body)) return whole('must be a JSON object: one report, or {"feedback": [...]}');
  if (!Object.hasOwn(body, 'feedback')) return parseItems([body], context, true);
  const others = Object.keys(body).filter((name) => name !== 'feedback');
  if (others.length > 0) return whole(`must be alone: "${cut(others[0]!)}" belongs into its reports`, 'feedback');
  const { feedback } = body;
  if (!Array.isArray(feedback)) return whole('must be a list of reports', 'feedback');
  if (feedback.length === 0) return whole('is empty: it must hold one report at least', 'feedback');
  if (feedback.length > MAX_ITEMS) {
    return whole(`holds ${feedback.length} reports; ${MAX_ITEMS} at most in one call`, 'feedback');
  }
  return parseItems(feedback, context, false);
}

/**
 * Whether a body has more marks of JSON (`:`, `,`, `{` and `[` outside of strings) than any call needs. To be asked before it is parsed:
 * 16 MB of short fields would keep the thread for seconds, and longer still where each is looked at.
 */
export function hasTooManyFields(body: Uint8Array): boolean {
  if (body.length <= MAX_MARKS) return false;
  let marks = 0;
  let inText = false;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]!;
    if (inText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if ((byte === COLON || byte === COMMA || byte === BRACE || byte === BRACKET) && ++marks > MAX_MARKS)
      return true;
  }
  return false;
}

function parseItems(items: readonly unknown[], context: FeedbackContext, isSingle: boolean): ParsedFeedback {
  const issues: FeedbackIssue[] = [];
  const parsed = items.map((item, index) => {
    const note = (field: string | null, message: string) => {
      issues.push({ item: isSingle ? null : index, field, message });
    };
    return parseItem(item, context, note);
  });
  if (issues.length > 0) return { kind: 'issues', issues, count: items.length };
  return { kind: 'items', items: parsed.filter((item) => item !== undefined) };
}

type Note = (field: string | null, message: string) => void;

/** Undefined when an issue was noted. */
function parseItem(given: unknown, context: FeedbackContext, note: Note): FeedbackItem | undefined {
  if (!isRecord(given)) {
    note(null, 'must be an object');
    return undefined;
  }
  // Clients write null for what they leave out.
  const item = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  let isBad = false;
  const noted: Note = (field, message) => {
    isBad = true;
    note(field, message);
  };
  const unknown = Object.keys(item).filter((name) => !KNOWN.has(name));
  if (unknown.length > 0) {
    // The first of them: there may be as many as fit into a body.
    const more = unknown.length === 1 ? '' : ` (nor are ${unknown.length - 1} more)`;
    noted(cut(unknown[0]!), `is not known${more}; there are ${FIELDS.join(', ')}`);
  }
  const at = readAt(item['at'], context.nowMs, noted);
  const result: FeedbackItem = {
    id: readId(item['id'], noted) ?? context.newId(),
    ...readSubject(item, context, noted),
    metric: readMetric(item['metric'], noted),
    ...readContent(item, noted),
    atMs: at ?? context.nowMs,
  };
  return isBad ? undefined : result;
}

function readId(id: unknown, note: Note): string | undefined {
  if (id === undefined) return undefined;
  if (typeof id === 'string' && ID.test(id)) return id;
  note('id', 'must be 1 to 128 printable ASCII characters without spaces');
  return undefined;
}

/** What it is about: an inference, by its id or by the caller's own. */
function readSubject(
  { inferenceId, correlationId }: Readonly<Record<string, unknown>>,
  { mayReport, nowMs }: FeedbackContext,
  note: Note,
): Pick<FeedbackItem, 'inferenceId' | 'correlation'> {
  const nothing = { inferenceId: null, correlation: null };
  if (inferenceId === undefined && correlationId === undefined) {
    note('inferenceId', 'is missing: give it (header x-ringside-inference-id of the answer), or correlationId');
    return nothing;
  }
  if (inferenceId !== undefined && correlationId !== undefined) {
    note('correlationId', 'must be left out where inferenceId is given');
    return nothing;
  }
  if (correlationId !== undefined) {
    const isGood =
      typeof correlationId === 'string' && correlationId.length > 0 && correlationId.length <= MAX_CORRELATION_CHARS;
    if (!isGood) note('correlationId', `must be a text of 1 to ${MAX_CORRELATION_CHARS} characters`);
    return isGood ? { ...nothing, correlation: correlationId } : nothing;
  }
  const id = typeof inferenceId === 'string' ? inferenceId.toLowerCase() : '';
  if (!isUuid(id) || !UUID_V7.test(id)) note('inferenceId', 'must be the id of an inference, a UUID of version 7');
  else if (unixMsOfId(id) > nowMs + MAX_ID_AHEAD_MS) note('inferenceId', 'is of a time that has not come yet');
  else if (!mayReport(id)) note('inferenceId', 'is of no model group that this API key may use');
  return { ...nothing, inferenceId: id };
}

function readMetric(metric: unknown, note: Note): string {
  const parsed = metricNameSchema.safeParse(metric);
  if (!parsed.success) {
    const missing = metric === undefined ? 'is missing: name what is reported; it ' : '';
    note('metric', `${missing}must be up to 64 lower-case letters, digits and _ . -, a letter first`);
    return '';
  }
  const isOurs = isBuiltin(parsed.data) || (DERIVED_METRICS as readonly string[]).includes(parsed.data);
  if (isOurs) note('metric', `"${parsed.data}" is measured by Ringside itself; choose another name`);
  return parsed.data;
}

function readContent(
  item: Readonly<Record<string, unknown>>,
  note: Note,
): Pick<FeedbackItem, 'kind' | 'value' | 'label' | 'comment'> {
  const { value, label } = item;
  const comment = readComment(item['comment'], note);
  if (value !== undefined && label !== undefined) note('label', 'must be left out where value is given');
  if (value !== undefined) return { ...readValue(value, note), label: null, comment };
  if (label !== undefined) {
    const isGood = typeof label === 'string' && LABEL.test(label) && label.length <= 64 && label.isWellFormed();
    if (!isGood) note('label', 'must be a text of 1 to 64 characters without spaces and "="');
    return { kind: 'label', value: null, label: isGood ? label : null, comment };
  }
  if (item['comment'] === undefined)
    note('value', 'is missing: give a value (number or boolean), a label or a comment');
  return { kind: 'comment', value: null, label: null, comment };
}

function readValue(value: unknown, note: Note): Pick<FeedbackItem, 'kind' | 'value'> {
  if (typeof value === 'boolean') return { kind: 'boolean', value: value ? 1 : 0 };
  // JSON has no infinity, but 1e999 is read as one.
  if (typeof value === 'number' && Math.abs(value) <= MAX_VALUE) return { kind: 'numeric', value };
  note('value', 'must be a boolean or a number from -1e12 to 1e12; for words there is label');
  return { kind: 'numeric', value: null };
}

function readComment(comment: unknown, note: Note): string | null {
  if (comment === undefined) return null;
  const isGood = typeof comment === 'string' && comment !== '' && Buffer.byteLength(comment) <= MAX_COMMENT_BYTES;
  if (isGood) return comment;
  note('comment', `must be a text of 1 to ${MAX_COMMENT_BYTES} bytes`);
  return null;
}

function readAt(at: unknown, nowMs: number, note: Note): number | undefined {
  if (at === undefined) return undefined;
  const atMs = typeof at === 'string' && TIME.test(at) ? Date.parse(at) : Number.NaN;
  if (Number.isNaN(atMs)) note('at', 'must be a time with its zone: 2030-01-31T08:30:00Z');
  else if (atMs > nowMs + MAX_AHEAD_MS) note('at', 'lies in the future');
  else if (atMs < nowMs - MAX_AGE_MS) note('at', 'lies more than 400 days back');
  return atMs;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A caller's own word in a message. */
function cut(word: string): string {
  return word.length <= 64 ? word.toWellFormed() : `${word.slice(0, 64).toWellFormed()}...`;
}
