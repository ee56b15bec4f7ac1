import { isRecord, type JsonRecord } from '../../wires/gemini/exact-json.ts';
import { openFrames } from '../../wires/gemini/frames.ts';
import { ResponseMerge } from './merge-responses.ts';

/**
 * Puts the responses of a stream together to the one that the same request without streaming would have got: for a log that must not keep a
 * text in pieces, because what is looked for in it may lie across two of them.
 */
export interface Reassembler {
  /** Bytes of the stream as the caller gets them, cut anywhere. */
  push(chunk: Buffer): void;
  /** All that came. */
  message(): ReassembledMessage;
}

export interface ReassembledMessage {
  /** JSON. Events that are no JSON objects are only counted, in `unreadable_events`. */
  readonly text: string;
  /** Whether it holds what all events said. */
  readonly isWhole: boolean;
}

export interface ReassemblerOptions {
  readonly framing: 'sse' | 'json-array';
  /** Characters of text and structure that are held; what comes behind them is dropped. */
  readonly maxHeld: number;
  /** Characters that a text loses at its end when a part of it was dropped. */
  readonly lookAhead: number;
}

/** Longer events are dropped whole. */
const MAX_EVENT_BYTES = 1_048_576;

export function openReassembler({ framing, maxHeld, lookAhead }: ReassemblerOptions): Reassembler {
  const frames = openFrames(framing, MAX_EVENT_BYTES);
  const merge = new ResponseMerge(maxHeld, lookAhead);
  let unreadableEvents = 0;

  const take = ({ json, bytes, isEnd }: { json: Buffer | null; bytes: Buffer; isEnd: boolean }) => {
    if (json === null) {
      // Comments and what lies around an array are nothing that could be read.
      if (!isEnd && bytes.length > MAX_EVENT_BYTES) unreadableEvents++;
      return;
    }
    const response = parse(json);
    if (response === null) unreadableEvents++;
    else merge.add(response);
  };
  return {
    push: (chunk) => frames.push(chunk, take),
    message() {
      frames.close(take);
      const isReadable = unreadableEvents === 0;
      const answer = merge.answer();
      const text = JSON.stringify(isReadable ? answer : { ...answer, unreadable_events: unreadableEvents });
      return { text, isWhole: isReadable && !merge.isCut };
    },
  };
}

function parse(json: Buffer): JsonRecord | null {
  try {
    const value: unknown = JSON.parse(json.toString('utf8'));
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}
