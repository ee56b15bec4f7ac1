import type { ReplyFacts, StreamPiece, StreamTap } from '../../providers/provider.ts';
import type { Usage } from '../../telemetry/recorder.ts';
import { readUsage } from './reply-facts.ts';

/**
 * Taps an OpenAI event stream. Whole events are passed on as the bytes they came in; an incomplete event waits for its end
 * (a client could not use it anyway). Only events that can hold usage, a finish reason, an error or the first token are read.
 *
 *   flowing ──"[DONE]" or an error event──▶ over          (what follows is dropped)
 */
const USAGE = '"usage"';
const FINISHED = /"finish_reason"\s*:\s*"/;
/** What makes an event worth reading: its end, an error, a usage or finish reason that is not null. */
const MARKERS = /\[DONE\]|"error"|"usage"[\s:]*[^n\s:]|"finish_reason"\s*:\s*"/g;
const LF = 0x0a;
const CR = 0x0d;
/** An event that is longer cannot be a usage event; it is passed on in pieces. */
const MAX_HELD_BYTES = 1_048_576;
/** The longest end of an event that may lie across two chunks: all but the last byte of CR LF CR LF. */
const SEAM_BYTES = 3;
const NOTHING: StreamPiece = { forward: null, terminal: null };

export function openStream(hideUsage: boolean): StreamTap {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let usage: Usage | null = null;
  let finishReason: string | null = null;
  let sawToken = false;
  let errorBody: Buffer | null = null;
  let over = false;
  let isMidEvent = false;

  /** Looks at `bytes`, whole events only, and says which part of it the caller gets. */
  const inspect = (bytes: Buffer): StreamPiece => {
    // One conversion and searches in a string cost a third of as many searches in the buffer.
    const text = bytes.toString('latin1');
    const interesting =
      !sawToken ||
      text.includes('[DONE]') ||
      text.includes('"error"') ||
      mentionsUsage(text) ||
      (finishReason === null && FINISHED.test(text));
    return interesting ? inspectEvents(bytes, text) : { forward: bytes, terminal: null };
  };

  /** `text` is `bytes` in Latin-1. After the first token only events with a marker are read: a burst may bring hundreds. */
  const inspectEvents = (bytes: Buffer, text: string): StreamPiece => {
    const kept: Buffer[] = [];
    let keptFrom = 0;
    for (let from = 0; from < bytes.length; ) {
      if (sawToken) {
        MARKERS.lastIndex = from;
        const marker = MARKERS.exec(text);
        if (marker === null) break;
        from = startOfEvent(text, from, marker.index);
      }
      const to = endOfEvent(bytes, from);
      const verdict = readEvent(bytes.subarray(from, to));
      if (verdict !== 'pass') {
        if (from > keptFrom) kept.push(bytes.subarray(keptFrom, from));
        keptFrom = to;
      }
      if (verdict === 'terminal' || verdict === 'error') {
        over = true;
        return { forward: join(kept), terminal: verdict === 'terminal' ? bytes.subarray(from, to) : null };
      }
      from = to;
    }
    if (bytes.length > keptFrom) kept.push(bytes.subarray(keptFrom));
    return { forward: join(kept), terminal: null };
  };

  const readEvent = (event: Buffer): 'pass' | 'drop' | 'terminal' | 'error' => {
    const data = dataOf(event);
    if (data === '') return 'pass';
    // Clients end on whatever begins so.
    if (data.trimStart().startsWith('[DONE]')) return 'terminal';
    const chunk = parse(data);
    if (chunk === null) return 'pass';
    if (chunk['error'] !== undefined && chunk['error'] !== null) {
      errorBody = Buffer.from(data);
      return 'error';
    }
    const choices: unknown[] = Array.isArray(chunk['choices']) ? chunk['choices'] : [];
    usage = readUsage(chunk['usage']) ?? usage;
    for (const choice of choices) {
      if (!isRecord(choice)) continue;
      if (typeof choice['finish_reason'] === 'string') finishReason = choice['finish_reason'];
      sawToken ||= hasContent(choice);
    }
    const isUsageOnly = choices.length === 0 && typeof chunk['usage'] === 'object' && chunk['usage'] !== null;
    return hideUsage && isUsageOnly ? 'drop' : 'pass';
  };

  const takeHeld = (): Buffer => {
    const bytes = held.length === 1 ? held[0]! : Buffer.concat(held, heldBytes);
    held = [];
    heldBytes = 0;
    return bytes;
  };

  return {
    // hot
    push(chunk) {
      if (over) return NOTHING;
      const seam = heldBytes === 0 ? null : tailOf(held, SEAM_BYTES);
      held.push(chunk);
      heldBytes += chunk.length;
      const hasEnd = lastEventEnd(seam === null ? chunk : Buffer.concat([seam, chunk])) > 0;
      if (!hasEnd && heldBytes <= MAX_HELD_BYTES) return NOTHING;
      isMidEvent = false;
      const bytes = takeHeld();
      const end = lastEventEnd(bytes);
      const rest = bytes.subarray(end);
      const piece = end === 0 ? NOTHING : inspect(end === bytes.length ? bytes : bytes.subarray(0, end));
      if (over || rest.length === 0) return piece;
      if (rest.length > MAX_HELD_BYTES) {
        isMidEvent = true;
        return { forward: join([piece.forward, rest]), terminal: null };
      }
      held = [rest];
      heldBytes = rest.length;
      return piece;
    },
    flush() {
      if (heldBytes === 0) return null;
      const { forward, terminal } = inspect(takeHeld());
      return join([forward, terminal]);
    },
    facts: (): ReplyFacts => ({ usage, finishReason }),
    get sawToken() {
      return sawToken;
    },
    get errorBody() {
      return errorBody;
    },
    get isMidEvent() {
      return isMidEvent;
    },
  };
}

/** Whether a `"usage"` is followed by something else than null, which each chunk but the last has. */
function mentionsUsage(text: string): boolean {
  for (let at = text.indexOf(USAGE); at !== -1; at = text.indexOf(USAGE, at + 1)) {
    let next = at + USAGE.length;
    while (text[next] === ' ' || text[next] === ':') next++;
    if (text[next] !== 'n') return true;
  }
  return false;
}

function hasContent(choice: Record<string, unknown>): boolean {
  if (typeof choice['text'] === 'string' && choice['text'] !== '') return true;
  const delta = choice['delta'];
  if (!isRecord(delta)) return false;
  return Object.entries(delta).some(([key, value]) => key !== 'role' && value !== null && value !== '');
}

/** The offset behind the last blank line; 0 when no event is complete. Lines end in LF or CR LF. */
function lastEventEnd(bytes: Buffer): number {
  for (let at = bytes.lastIndexOf(LF); at > 0; at = bytes.lastIndexOf(LF, at - 1)) {
    const before = bytes[at - 1] === CR ? at - 2 : at - 1;
    if (bytes[before] === LF) return at + 1;
  }
  return 0;
}

/** Where the event begins that holds the byte at `at`; a blank line is in front of it, or `from`. */
function startOfEvent(text: string, from: number, at: number): number {
  for (let line = text.lastIndexOf('\n', at); line > from; line = text.lastIndexOf('\n', line - 1)) {
    if (text[line - 1] === '\n' || (text[line - 1] === '\r' && text[line - 2] === '\n')) return line + 1;
  }
  return from;
}

/** The offset behind the event that starts at `from`, its blank line included. */
function endOfEvent(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LF, from); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === CR ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return bytes.length;
}

/** The joined `data:` lines of an event; empty for comments. A byte order mark may stand before the first line. */
function dataOf(event: Buffer): string {
  return event
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(line[5] === ' ' ? 6 : 5))
    .join('\n');
}

/** The last bytes of several buffers. */
function tailOf(pieces: readonly Buffer[], count: number): Buffer {
  const last = pieces.at(-1)!;
  if (last.length >= count || pieces.length === 1) return last.subarray(Math.max(0, last.length - count));
  const all = Buffer.concat(pieces.slice(-count));
  return all.subarray(Math.max(0, all.length - count));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function parse(data: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(data);
    return isRecord(value) ? value : null;
  } catch {
    return null; // not ours to judge: the event is passed on as it is
  }
}

function join(parts: readonly (Buffer | null)[]): Buffer | null {
  const present = parts.filter((part): part is Buffer => part !== null && part.length > 0);
  return present.length <= 1 ? (present[0] ?? null) : Buffer.concat(present);
}
