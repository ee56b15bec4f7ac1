import { crc32 } from 'node:zlib';
import { writeIdBytes } from '#core/ids.ts';
import {
  CHECKED_FROM,
  FRAME_TYPES,
  FRAME_VERSION,
  type FrameType,
  HAS_PAYLOAD,
  HEADER_BYTES,
  MAX_FRAME_BYTES,
} from './frame.ts';

const ARENA_BYTES = 256 * 1024;
/** A UTF-16 unit takes at most three bytes of UTF-8. */
const MAX_BYTES_PER_UNIT = 3;
/** Up to here a captured piece is copied, which costs less than a buffer of its own in the write. */
const MAX_COPIED_BYTES = 8 * 1024;
const NOTHING: readonly Uint8Array[] = [];

/**
 * The frames of one write, laid out behind each other in one buffer that is used again after it: no allocation per frame, one
 * checksum over a whole frame, one buffer for the system call. Large captured pieces are not copied.
 */
export class FrameBatch {
  /** Length of all frames. */
  bytes = 0;
  #arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  /** Where the stretch begins that is not in `#pieces` yet, and where it ends. */
  #from = 0;
  #used = 0;
  #pieces: Uint8Array[] = [];

  /**
   * Appends a frame. `maxCopiedBytes`: longer pieces are not copied, and must not change before `clear`.
   * @returns its length in bytes; 0, with nothing appended, when it would exceed MAX_FRAME_BYTES
   */
  // hot
  append(
    type: FrameType,
    id: string,
    meta: string,
    payload: readonly Uint8Array[] | null,
    maxCopiedBytes = MAX_COPIED_BYTES,
  ): number {
    let payloadBytes = 0;
    let copiedBytes = 0;
    if (payload !== null) {
      for (const piece of payload) {
        payloadBytes += piece.length;
        if (piece.length <= maxCopiedBytes) copiedBytes += piece.length;
      }
    }
    if (HEADER_BYTES + meta.length + payloadBytes > MAX_FRAME_BYTES) return 0;
    this.#makeRoom(HEADER_BYTES + meta.length * MAX_BYTES_PER_UNIT + copiedBytes);
    const arena = this.#arena;
    const start = this.#used;
    const metaBytes = arena.write(meta, start + HEADER_BYTES, 'utf8');
    const bytes = HEADER_BYTES + metaBytes + payloadBytes;
    if (bytes > MAX_FRAME_BYTES) return 0;
    arena.writeUInt32LE(bytes - CHECKED_FROM, start);
    arena[start + 8] = FRAME_TYPES[type];
    arena[start + 9] = FRAME_VERSION;
    arena[start + 10] = payload === null ? 0 : HAS_PAYLOAD;
    arena[start + 11] = 0;
    writeIdBytes(id, arena, start + 12);
    arena.writeUInt32LE(metaBytes, start + 28);
    this.#used += HEADER_BYTES + metaBytes;
    arena.writeUInt32LE(this.#appendPayload(start + CHECKED_FROM, payload ?? NOTHING, maxCopiedBytes), start + 4);
    this.bytes += bytes;
    return bytes;
  }

  /** All frames, for one write; valid until `clear`. */
  buffers(): readonly Uint8Array[] {
    this.#closeStretch();
    return this.#pieces;
  }

  clear(): void {
    this.bytes = 0;
    this.#pieces = [];
    this.#from = 0;
    this.#used = 0;
    if (this.#arena.length > ARENA_BYTES) this.#arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  }

  /** Returns the checksum of the frame from `checkedFrom` on: of one stretch, unless a large piece lies between two. */
  #appendPayload(checkedFrom: number, payload: readonly Uint8Array[], maxCopiedBytes: number): number {
    let crc = 0;
    let from = checkedFrom;
    for (const piece of payload) {
      if (piece.length <= maxCopiedBytes) {
        this.#arena.set(piece, this.#used);
        this.#used += piece.length;
        continue;
      }
      crc = crc32(piece, crc32(this.#arena.subarray(from, this.#used), crc));
      this.#closeStretch();
      this.#pieces.push(piece);
      from = this.#used;
    }
    return crc32(this.#arena.subarray(from, this.#used), crc);
  }

  #closeStretch(): void {
    if (this.#used > this.#from) this.#pieces.push(this.#arena.subarray(this.#from, this.#used));
    this.#from = this.#used;
  }

  #makeRoom(bytes: number): void {
    if (this.#used + bytes <= this.#arena.length) return;
    this.#closeStretch();
    this.#arena = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, bytes));
    this.#from = 0;
    this.#used = 0;
  }
}
