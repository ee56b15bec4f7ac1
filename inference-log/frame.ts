import { crc32 } from 'node:zlib';
import { readIdBytes } from '#core/ids.ts';

/**
 * One frame of a spool, little-endian:
 *
 *     u32 length of all that follows the CRC | u32 CRC-32 of it | u8 type | u8 version | u16 flags | 16 bytes inference id
 *     | u32 meta length | meta (JSON, UTF-8) | captured bytes
 *
 * `drop` closes an inference whose end could not be written: its caller was told so, and without it the begin frame
 * would hold its segment for ever. `feedback` belongs to no inference: it is what one call reported, with an id of its own
 * (feedback-record.ts). A release that does not know it takes the rest of the segment for damaged.
 */
export const FRAME_TYPES = { begin: 1, part: 2, end: 3, drop: 4, feedback: 5 } as const;
export type FrameType = keyof typeof FRAME_TYPES;

export interface Frame {
  readonly type: FrameType;
  readonly id: string;
  /** A view of the decoded buffer, as is `payload`. */
  readonly meta: Uint8Array;
  /** Null when nothing was captured, which is not the same as nothing to capture. */
  readonly payload: Uint8Array | null;
}

export type Decoded =
  | { readonly kind: 'frame'; readonly frame: Frame; readonly next: number }
  /** `bytes`: how long the frame is as far as is known. */
  | { readonly kind: 'incomplete'; readonly bytes: number }
  | { readonly kind: 'corrupt'; readonly reason: string };

export const MAX_FRAME_BYTES = 64 * 1024 * 1024;
export const FRAME_VERSION = 1;
export const CHECKED_FROM = 8;
export const HEADER_BYTES = 32;
/** Where the type of a frame lies. */
export const TYPE_AT = 8;
export const HAS_PAYLOAD = 1;
const TYPE_NAMES = Object.entries(FRAME_TYPES) as readonly (readonly [FrameType, number])[];
const NAME_OF: readonly (FrameType | undefined)[] = TYPE_NAMES.reduce<(FrameType | undefined)[]>(
  (names, [name, value]) => {
    names[value] = name;
    return names;
  },
  [],
);

/** Reads the frame at `offset`. Never throws, whatever the bytes are. */
export function decodeFrame(buffer: Buffer, offset: number): Decoded {
  const available = buffer.length - offset;
  if (available < CHECKED_FROM) return { kind: 'incomplete', bytes: HEADER_BYTES };
  const bytes = buffer.readUInt32LE(offset) + CHECKED_FROM;
  // Zeros, which a file system may leave after a power cut, end here.
  if (bytes < HEADER_BYTES || bytes > MAX_FRAME_BYTES) return { kind: 'corrupt', reason: `a frame of ${bytes} bytes` };
  if (available < bytes) return { kind: 'incomplete', bytes };
  const next = offset + bytes;
  if (crc32(buffer.subarray(offset + CHECKED_FROM, next)) !== buffer.readUInt32LE(offset + 4)) {
    return { kind: 'corrupt', reason: 'checksum mismatch' };
  }
  const type = NAME_OF[buffer[offset + 8]!];
  const version = buffer[offset + 9];
  if (type === undefined || version !== FRAME_VERSION) {
    return { kind: 'corrupt', reason: `unknown frame type ${buffer[offset + 8]} or version ${version}` };
  }
  const payloadAt = offset + HEADER_BYTES + buffer.readUInt32LE(offset + 28);
  if (payloadAt > next) return { kind: 'corrupt', reason: 'the meta is longer than its frame' };
  const frame: Frame = {
    type,
    id: readIdBytes(buffer, offset + 12),
    meta: buffer.subarray(offset + HEADER_BYTES, payloadAt),
    payload: (buffer[offset + 10]! & HAS_PAYLOAD) === 0 ? null : buffer.subarray(payloadAt, next),
  };
  return { kind: 'frame', frame, next };
}
