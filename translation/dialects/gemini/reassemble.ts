import { isRecord, type JsonRecord } from '../../wires/exact-json.ts';
import { type Frames, openFrames } from '../../wires/gemini/frames.ts';
import type { Reassembler, ReassemblerOptions } from '../reassembler.ts';
import { ResponseMerge } from './merge-responses.ts';

/** Longer events are dropped whole. */
const MAX_EVENT_BYTES = 1_048_576;

const OPEN_BRACKET = 0x5b;

/**
 * Puts the responses of a stream together to the one that the same request without streaming would have got. Which of the two framings it
 * has, its first byte says.
 */
export function openReassembler({ maxHeld, lookAhead }: ReassemblerOptions): Reassembler {
  let frames: Frames | null = null;
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
    push(chunk) {
      if (frames === null) {
        // What is left of a chunk of signs of life tells nothing yet.
        const first = chunk.find((byte) => byte > 0x20);
        if (first === undefined) return;
        frames = openFrames(first === OPEN_BRACKET ? 'json-array' : 'sse', MAX_EVENT_BYTES);
      }
      frames.push(chunk, take);
    },
    message() {
      frames?.close(take);
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
