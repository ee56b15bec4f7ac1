import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';
import { isRecord, type JsonRecord } from '#translation/wires/exact-json.ts';
import { type Frame, openFrames } from '#translation/wires/gemini/frames.ts';
import type { ReplyFacts, StreamPiece, StreamTap } from '../provider.ts';
import { finishOf, usageFacts } from './reply.ts';
import { readUsage } from './usage.ts';

/**
 * Taps a Gemini stream. Frames are passed on as the bytes they came in. None of them says that it is the last: from the first one with a
 * finish reason on, the newest is kept back until another comes, so that the end of the stream can be withheld.
 *
 *   flowing ──a finish or block reason──▶ ending ──"]"──▶ over      (what follows is dropped)
 *        └──────────────────┴──an error──▶ over
 */
const INTERESTING = /"(?:finishReason|blockReason|error)"/;
const USAGE = '"usageMetadata"';

export function openStream(framing: 'sse' | 'json-array'): StreamTap {
  const frames = openFrames(framing, MAX_EVENT_BYTES);
  let state: 'flowing' | 'ending' | 'over' = 'flowing';
  let kept: Buffer | null = null;
  /** The array's bracket has come. */
  let isClosed = false;
  let sawToken = false;
  let finishReason: string | null = null;
  let errorBody: Buffer | null = null;
  let errorStatus: number | null = null;
  /** The newest that speaks of usage; parsed when it is asked for. */
  let usageJson: Buffer | null = null;

  /** What of a frame the caller gets now. */
  const take = (frame: Frame, out: Buffer[]): void => {
    if (state === 'over') return;
    if (frame.json !== null) {
      const text = frame.json.toString('latin1');
      if (text.includes(USAGE)) usageJson = frame.json;
      if (!sawToken || INTERESTING.test(text)) read(frame.json);
    }
    if (frame.isEnd) {
      state = 'over';
      isClosed = true;
      kept = kept === null ? frame.bytes : Buffer.concat([kept, frame.bytes]);
      return;
    }
    if (kept !== null) out.push(kept);
    kept = null;
    if (errorBody !== null) return;
    if (state === 'flowing') out.push(frame.bytes);
    else kept = frame.bytes;
  };

  const read = (json: Buffer): void => {
    const response = parse(json);
    if (response === null) return;
    const { error } = response;
    if (isRecord(error)) {
      errorBody = json;
      errorStatus = typeof error['code'] === 'number' ? error['code'] : null;
      state = 'over';
      return;
    }
    sawToken ||= hasContent(response);
    const finish = finishOf(response['candidates'], response['promptFeedback']);
    if (finish === null) return;
    finishReason ??= finish;
    state = 'ending';
  };

  return {
    // hot
    push(chunk): StreamPiece {
      if (state === 'over') return { forward: null, terminal: null };
      const out: Buffer[] = [];
      frames.push(chunk, (frame) => take(frame, out));
      if (!isClosed) return { forward: join(out), terminal: null };
      const terminal = kept;
      kept = null;
      return { forward: join(out), terminal };
    },
    flush() {
      const out: Buffer[] = [];
      if (state !== 'over') frames.close((frame) => take(frame, out));
      if (kept !== null && errorBody === null) out.push(kept);
      kept = null;
      return join(out);
    },
    facts: (): ReplyFacts => ({
      usage: usageJson === null ? null : usageFacts(readUsage(parse(usageJson)?.['usageMetadata'])),
      finishReason,
    }),
    get sawToken() {
      return sawToken;
    },
    get errorBody() {
      return errorBody;
    },
    get errorStatus() {
      return errorStatus;
    },
    get isMidEvent() {
      return frames.isMidFrame;
    },
  };
}

/** A part with something in it: text, a call, an image. */
function hasContent(response: JsonRecord): boolean {
  const candidates = Array.isArray(response['candidates']) ? response['candidates'] : [];
  return candidates.some((candidate: unknown) => {
    const content = isRecord(candidate) ? candidate['content'] : null;
    const parts = isRecord(content) && Array.isArray(content['parts']) ? content['parts'] : [];
    return parts.some(
      (part: unknown) =>
        isRecord(part) &&
        Object.entries(part).some(([key, value]) => key !== 'thought' && value !== null && value !== ''),
    );
  });
}

function parse(json: Buffer): JsonRecord | null {
  try {
    const value: unknown = JSON.parse(json.toString('utf8'));
    return isRecord(value) ? value : null;
  } catch {
    return null; // not ours to judge: the frame is passed on as it is
  }
}

function join(parts: readonly Buffer[]): Buffer | null {
  return parts.length <= 1 ? (parts[0] ?? null) : Buffer.concat(parts);
}
