import { scanElements } from './scan-elements.ts';
import { scanEvents } from './scan-events.ts';

/** One event of a stream, or one element of an array, with the bytes around it. All frames together are the stream. */
export interface Frame {
  readonly bytes: Buffer;
  /** The JSON in it; null where there is none (comments, the bracket that closes an array, a part of what is too large). */
  readonly json: Buffer | null;
  /** The array is closed: nothing follows. */
  readonly isEnd: boolean;
}

/** Finds where frames end, chunk by chunk; it remembers what came before. */
export interface FrameScanner {
  /** The offset in `chunk` behind the first frame that ends at or behind `from`; -1 where none does. */
  endOfFrame(chunk: Buffer, from: number): number;
  jsonOf(frame: Buffer): Buffer | null;
  isEnd(frame: Buffer): boolean;
}

/** Cuts a Gemini stream into frames, whatever the chunks. */
export interface Frames {
  push(chunk: Buffer, onFrame: (frame: Frame) => void): void;
  /** The stream has ended: an incomplete frame, such as an event without its closing blank line. */
  close(onFrame: (frame: Frame) => void): void;
  /** A piece of a frame was given whose end has not come. */
  readonly isMidFrame: boolean;
}

/** `sse` is `alt=sse`, `json-array` what the API sends without it. A frame of more than `maxBytes` comes in pieces without JSON. */
export function openFrames(framing: 'sse' | 'json-array', maxBytes: number): Frames {
  const scanner: FrameScanner = framing === 'sse' ? scanEvents() : scanElements();
  let held: Buffer[] = [];
  let heldBytes = 0;
  /** Some of the frame has been passed on because it is too large. */
  let isCut = false;

  const take = (): Buffer => {
    const bytes = held.length === 1 ? held[0]! : Buffer.concat(held, heldBytes);
    held = [];
    heldBytes = 0;
    return bytes;
  };
  const emit = (bytes: Buffer, onFrame: (frame: Frame) => void) => {
    onFrame({ bytes, json: isCut ? null : scanner.jsonOf(bytes), isEnd: !isCut && scanner.isEnd(bytes) });
    isCut = false;
  };
  return {
    // hot
    push(chunk, onFrame) {
      let from = 0;
      while (from < chunk.length) {
        const end = scanner.endOfFrame(chunk, from);
        if (end === -1) break;
        held.push(chunk.subarray(from, end));
        heldBytes += end - from;
        from = end;
        emit(take(), onFrame);
      }
      if (from === chunk.length) return;
      held.push(from === 0 ? chunk : chunk.subarray(from));
      heldBytes += chunk.length - from;
      if (heldBytes <= maxBytes) return;
      isCut = true;
      onFrame({ bytes: take(), json: null, isEnd: false });
    },
    close(onFrame) {
      if (heldBytes > 0) emit(take(), onFrame);
    },
    get isMidFrame() {
      return isCut;
    },
  };
}
