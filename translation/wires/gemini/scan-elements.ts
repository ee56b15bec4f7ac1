import type { FrameScanner } from './frames.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACKET = 0x5d;
const CLOSE_BRACE = 0x7d;

/**
 * Finds the ends of the objects in a JSON array as it comes, and of the array. What stands before an object (the opening bracket, a
 * comma, white space) belongs to its frame. Only brackets and strings are looked at: whether it is JSON is the parser's to say.
 */
export function scanElements(): FrameScanner {
  let depth = 0;
  /** 1 in an array; 0 where the body is one object, as an error can be. */
  let base = 0;
  let inString = false;
  let isEscaped = false;
  return {
    // hot
    endOfFrame(chunk, from) {
      for (let at = from; at < chunk.length; at++) {
        const byte = chunk[at]!;
        if (inString) {
          if (isEscaped) isEscaped = false;
          else if (byte === BACKSLASH) isEscaped = true;
          else if (byte === QUOTE) inString = false;
          continue;
        }
        switch (byte) {
          case QUOTE:
            inString = true;
            break;
          case OPEN_BRACKET:
            if (depth === 0) base = 1;
            depth++;
            break;
          case OPEN_BRACE:
            depth++;
            break;
          case CLOSE_BRACKET:
          case CLOSE_BRACE:
            depth = Math.max(0, depth - 1);
            if (byte === CLOSE_BRACE ? depth === base : depth === 0) return at + 1;
            break;
        }
      }
      return -1;
    },
    jsonOf(frame) {
      const start = frame.indexOf(OPEN_BRACE);
      return start === -1 ? null : frame.subarray(start);
    },
    isEnd: (frame) => frame.at(-1) === CLOSE_BRACKET && frame.indexOf(OPEN_BRACE) === -1,
  };
}
