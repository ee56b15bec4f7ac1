import { closeSync, ftruncateSync, openSync, readdirSync, rmSync, statSync, writeFileSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import type { SpoolPosition } from './spool.ts';
import { isMissing, segmentName, segmentNumber } from './spool-folder.ts';
import type { SyncFile } from './syncer.ts';

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
  /** Writes so many bytes to a file that only takes room. */
  fill(path: string, bytes: number): void;
  remove(path: string): void;
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
  fill: (path, bytes) => writeFileSync(path, new Uint8Array(bytes), { mode: 0o600 }),
  remove: (path) => rmSync(path, { force: true }),
};

/** The append-only files of one spool, as its writer sees them. A segment that failed is never written again. */
export interface Segments {
  /** Bytes of the segments not yet removed, as last counted, and what was written since. */
  readonly totalBytes: number;
  /** The segment that is written; undefined when there is none. */
  readonly current: SyncFile | undefined;
  /** Where the last append began. */
  readonly appendedAt: SpoolPosition;
  /** Where the next append begins, unless it starts a segment. */
  readonly end: SpoolPosition;
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
  /**
   * Gives up the room that the spool keeps for this: on a full disk the `drop` frames must still find some, since the
   * begin frames that they close may be all that holds the segments whose removal would make room.
   */
  freeBallast(): void;
  /** Ends the current segment as one that is never touched again, and tries to start the next. */
  condemn(): void;
  close(): void;
}

const MAX_BUFFERS_PER_CALL = 1024; // IOV_MAX
/** More than a usual write, so that a disk with hardly any room does not flap. */
const PROBE_BYTES = 1024 * 1024;
/** Room for 8 000 `drop` frames. */
const BALLAST_BYTES = 256 * 1024;
const BALLAST_NAME = 'ballast.tmp';

/**
 * Prepares an empty folder for its first segment; files appear with the first append. `retire` is given each segment that
 * has ended, to be closed.
 */
export function createSegments(
  folder: string,
  maxSegmentBytes: number,
  files: SegmentFiles,
  retire: (fd: number, segment: number) => void,
): Segments {
  let number = 0;
  let fd: number | undefined;
  let segmentBytes = 0;
  let appendedAt = 0;
  let totalBytes = 0;

  let hasBallast = false;

  const takeBallast = () => {
    if (hasBallast) return;
    try {
      files.fill(join(folder, BALLAST_NAME), BALLAST_BYTES);
      hasBallast = true;
    } catch {
      files.remove(join(folder, BALLAST_NAME)); // the disk is full already
    }
  };

  const end = () => {
    if (fd === undefined) return;
    const ending = fd;
    fd = undefined;
    retire(ending, number);
  };

  const rotate = () => {
    end();
    fd = files.open(join(folder, segmentName(number + 1)));
    number++;
    if (number === 1) takeBallast();
    segmentBytes = 0;
    appendedAt = 0;
    recount();
  };

  const tryRotate = () => {
    try {
      rotate();
    } catch {
      // The probe tries again.
    }
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
    get current() {
      return fd === undefined ? undefined : { fd, segment: number };
    },
    get appendedAt() {
      return { segment: number, offset: appendedAt };
    },
    get end() {
      return fd === undefined ? { segment: number + 1, offset: 0 } : { segment: number, offset: segmentBytes };
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
        if (fd !== undefined) {
          files.truncate(fd, appendedAt + keptBytes);
          segmentBytes = appendedAt + keptBytes;
          if (segmentBytes === 0) return; // as new: a disk that stays full must not collect empty segments
        }
      } catch {
        // The torn frame stays; the reader skips it because no frame follows it in this segment.
      }
      tryRotate();
    },
    rotate,
    recount,
    probe() {
      takeBallast();
      files.tryOut(join(folder, 'probe.tmp'), PROBE_BYTES);
      if (fd === undefined) rotate();
    },
    freeBallast() {
      if (!hasBallast) return;
      hasBallast = false;
      files.remove(join(folder, BALLAST_NAME));
    },
    condemn() {
      const condemned = fd;
      fd = undefined;
      try {
        if (condemned !== undefined) files.close(condemned);
      } catch {
        // Closing may tell of the same failure again.
      }
      tryRotate();
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
