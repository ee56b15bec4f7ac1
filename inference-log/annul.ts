import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { CHECKED_FROM, decodeFrame, FRAME_TYPES, HEADER_BYTES, TYPE_AT } from './frame.ts';

/**
 * Turns an end frame that was written but not confirmed into a `drop` frame where it lies: its caller was told that the
 * record is lost, so that no row may come of it. Nobody has read it (spool-hold.ts).
 * @throws file errors, and an Error when no frame is there
 */
export function annul(path: string, offset: number, bytes: number): void {
  // A descriptor for appending would append.
  const fd = openSync(path, 'r+');
  try {
    const frame = Buffer.allocUnsafeSlow(bytes);
    if (readSync(fd, frame, 0, bytes, offset) !== bytes || decodeFrame(frame, 0).kind !== 'frame') {
      throw new Error(`${path} has no frame at ${offset}`);
    }
    frame[TYPE_AT] = FRAME_TYPES.drop;
    frame.writeUInt32LE(crc32(frame.subarray(CHECKED_FROM)), CHECKED_FROM - 4);
    writeSync(fd, frame, 0, HEADER_BYTES, offset);
  } finally {
    closeSync(fd);
  }
}
