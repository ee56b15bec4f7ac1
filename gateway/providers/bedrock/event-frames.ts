import { crc32 } from 'node:zlib';
import { RingsideError } from '#core/errors.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';

/**
 * The binary framing of AWS event streams (`application/vnd.amazon.eventstream`):
 *
 *   total length (4) │ length of headers (4) │ CRC-32 of these 8 (4) │ headers │ payload │ CRC-32 of all before (4)
 *
 * Why not `@smithy/eventstream-codec` (with which the tests write their frames): it decodes one whole message, and cuts them out of chunks only in an
 * async generator; and its header parser trusts the lengths inside a message, so that one that lies reads what lies behind it in
 * the shared memory of small buffers.
 */
export interface Frame {
  /** Headers with a text as value; all others are skipped. */
  readonly headers: ReadonlyMap<string, string>;
  /** A view of the chunk, or of the memory in which the chunks were joined. */
  readonly payload: Buffer;
}

export interface FrameStream {
  push(chunk: Buffer): void;
  /** Whether the bytes so far end inside a frame. */
  readonly isInside: boolean;
}

const PRELUDE_BYTES = 12;
const CHECKSUM_BYTES = 4;
const MIN_BYTES = PRELUDE_BYTES + CHECKSUM_BYTES;
const TEXT = 7;
/** What values of the other types take, by type; those of 6 (bytes) and 7 (text) say their length in two bytes. */
const FIXED_BYTES: readonly (number | undefined)[] = [0, 0, 1, 2, 4, 8, undefined, undefined, 8, 16];

/** Cuts frames out of chunks. Throws `upstream_protocol` for a wrong checksum or length, and for a frame beyond {@link MAX_EVENT_BYTES}. */
export function openFrames(onFrame: (frame: Frame) => void): FrameStream {
  let held: Buffer[] = [];
  let heldBytes = 0;
  /** Of the frame whose beginning is held; 0 while its prelude is not whole. */
  let needBytes = 0;

  return {
    // hot
    push(chunk) {
      if (heldBytes > 0) {
        held.push(chunk);
        heldBytes += chunk.length;
        if (heldBytes < (needBytes === 0 ? PRELUDE_BYTES : needBytes)) return;
      }
      let bytes = heldBytes > 0 ? Buffer.concat(held, heldBytes) : chunk;
      held = [];
      heldBytes = 0;
      needBytes = 0;
      while (bytes.length >= PRELUDE_BYTES) {
        const length = readLength(bytes);
        if (bytes.length < length) {
          needBytes = length;
          break;
        }
        onFrame(readFrame(bytes.subarray(0, length)));
        bytes = bytes.subarray(length);
      }
      if (bytes.length === 0) return;
      held = [bytes];
      heldBytes = bytes.length;
    },
    get isInside() {
      return heldBytes > 0;
    },
  };
}

/** The length of the frame that begins here, once its prelude is known to be one. */
function readLength(bytes: Buffer): number {
  if (crc32(bytes.subarray(0, 8)) !== bytes.readUInt32BE(8)) throw broken('whose beginning has a wrong checksum');
  const length = bytes.readUInt32BE(0);
  if (length < MIN_BYTES) throw broken('that is too short to be one');
  if (length > MAX_EVENT_BYTES) throw broken(`of more than ${MAX_EVENT_BYTES} bytes`);
  if (bytes.readUInt32BE(4) > length - MIN_BYTES) throw broken('with more headers than it has bytes');
  return length;
}

function readFrame(bytes: Buffer): Frame {
  const end = bytes.length - CHECKSUM_BYTES;
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) throw broken('with a wrong checksum');
  const payloadStart = PRELUDE_BYTES + bytes.readUInt32BE(4);
  return {
    headers: readHeaders(bytes.subarray(PRELUDE_BYTES, payloadStart)),
    payload: bytes.subarray(payloadStart, end),
  };
}

function readHeaders(bytes: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  /** The next `count` bytes, which must be there: reads beyond the headers would read the payload. */
  let at = 0;
  const take = (count: number): Buffer => {
    at += count;
    if (at > bytes.length) throw broken('whose headers are cut off');
    return bytes.subarray(at - count, at);
  };
  while (at < bytes.length) {
    const name = take(take(1)[0]!).toString('utf8');
    const type = take(1)[0]!;
    if (type >= FIXED_BYTES.length) throw broken('with a header of an unknown type');
    const value = take(FIXED_BYTES[type] ?? take(2).readUInt16BE(0));
    if (type === TEXT) headers.set(name, value.toString('utf8'));
  }
  return headers;
}

function broken(how: string): RingsideError {
  return new RingsideError('upstream_protocol', `The upstream sent an event ${how}.`);
}
