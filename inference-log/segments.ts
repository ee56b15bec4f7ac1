import { closeSync, ftruncateSync, openSync, readdirSync, rmSync, statSync, writeFileSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import { isMissing, segmentName, segmentNumber } from './spool-folder.ts';

/** The file operations of a spool; a test makes them fail. */
export interface SegmentFiles {
  /** Creates a file for appending. */
  open(path: string): number;
  /** Returns the bytes written, which may be fewer than given. */
  writev(fd: number, buffers: readonly Uint8Array[]): number;
  truncate(fd: number, bytes: number): void;
  close(fd: number): void;
  /** Writes so many bytes to a scratch file and removes it. */
  tryOut(path: string, bytes: number): void;
}

export const SEGMENT_FILES: SegmentFiles = {
  open: (path) => openSync(path, 'ax', 0o600),
  writev: (fd, buffers) => writevSync(fd, buffers),
  truncate: ftruncateSync,
  close: closeSync,
  tryOut(path, bytes) {
    try {
      writeFileSync(path, new Uint8Array(bytes));
    } finally {
      rmSync(path, { force: true });
    }
  },
};

/** The append-only files of one spool, as its writer sees them. A segment that failed is never written again. */
export interface Segments {
  /** Bytes of the segments not yet removed, as last counted, and what was written since. */
  readonly totalBytes: number;
  /** Writes all buffers, or as many bytes as could be. Starts a new segment when the current one is full. */
  append(buffers: readonly Uint8Array[]): { readonly writtenBytes: number; readonly error: unknown };
  /** After a failed append: keeps the first `keptBytes` of it, ends the segment and tries to start the next. */
  cut(keptBytes: number): void;
  /** Ends the current segment and starts the next, so that the shipper can remove what is before it. @throws file errors */
  rotate(): void;
  /** Learns which segments the shipper has removed. @throws file errors */
  recount(): void;
  /** Writes and removes a scratch file, and starts a segment if there is none. @throws file errors */
  probe(): void;
  close(): void;
}

const MAX_BUFFERS_PER_CALL = 1024; // IOV_MAX
const PROBE_BYTES = 256 * 1024;

/** Prepares an empty folder for its first segment; files appear with the first append. */
export function createSegments(folder: string, maxSegmentBytes: number, files: SegmentFiles): Segments {
  let number = 0;
  let fd: number | undefined;
  let segmentBytes = 0;
  let appendedAt = 0;
  let totalBytes = 0;

  const end = () => {
    if (fd === undefined) return;
    const ending = fd;
    fd = undefined;
    files.close(ending);
  };

  const rotate = () => {
    end();
    fd = files.open(join(folder, segmentName(number + 1)));
    number++;
    segmentBytes = 0;
    appendedAt = 0;
    recount();
  };

  const recount = () => {
    totalBytes = 0;
    for (const name of readdirSync(folder)) {
      if (segmentNumber(name) !== undefined) totalBytes += sizeOf(join(folder, name));
    }
  };

  return {
    get totalBytes() {
      return totalBytes;
    },
    append(buffers) {
      let writtenBytes = 0;
      let error: unknown;
      try {
        if (fd === undefined || segmentBytes >= maxSegmentBytes) rotate();
        appendedAt = segmentBytes;
        for (const call of calls(buffers)) {
          let left = call;
          while (left.length > 0) {
            const taken = files.writev(fd!, left);
            if (taken === 0) throw new Error('the file takes no more bytes');
            writtenBytes += taken;
            left = remainder(left, taken);
          }
        }
      } catch (thrown) {
        error = thrown;
      }
      segmentBytes += writtenBytes;
      totalBytes += writtenBytes;
      return { writtenBytes, error };
    },
    cut(keptBytes) {
      try {
        if (fd !== undefined) files.truncate(fd, appendedAt + keptBytes);
      } catch {
        // The torn frame stays; the reader skips it because no frame follows it in this segment.
      }
      try {
        rotate();
      } catch {
        // The probe tries again.
      }
    },
    rotate,
    recount,
    probe() {
      files.tryOut(join(folder, 'probe.tmp'), PROBE_BYTES);
      if (fd === undefined) rotate();
    },
    close: end,
  };
}

/** One writev takes a bounded number of buffers. */
function calls(buffers: readonly Uint8Array[]): (readonly Uint8Array[])[] {
  if (buffers.length <= MAX_BUFFERS_PER_CALL) return [buffers];
  const result: (readonly Uint8Array[])[] = [];
  for (let at = 0; at < buffers.length; at += MAX_BUFFERS_PER_CALL) {
    result.push(buffers.slice(at, at + MAX_BUFFERS_PER_CALL));
  }
  return result;
}

/** What is left of buffers after their first `taken` bytes. */
function remainder(buffers: readonly Uint8Array[], taken: number): readonly Uint8Array[] {
  let bytes = taken;
  for (let at = 0; at < buffers.length; at++) {
    const buffer = buffers[at]!;
    if (bytes < buffer.length) return [buffer.subarray(bytes), ...buffers.slice(at + 1)];
    bytes -= buffer.length;
  }
  return [];
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    if (isMissing(error)) return 0; // the shipper removed it meanwhile
    throw error;
  }
}
