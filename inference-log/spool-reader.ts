import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { OnAlarm } from './alarms.ts';
import { decodeFrame, type Frame } from './frame.ts';
import type { SpoolPosition } from './spool.ts';
import { isMissing, listSegments, segmentName } from './spool-folder.ts';

/** A frame and where it lies. Its bytes are views of the chunk it was read with. */
export interface PlacedFrame {
  readonly frame: Frame;
  readonly at: SpoolPosition;
  readonly next: SpoolPosition;
}

export type ReadStep =
  | { readonly kind: 'frames'; readonly frames: readonly PlacedFrame[] }
  /** Nothing more for now. `position` is where reading goes on. */
  | { readonly kind: 'idle'; readonly position: SpoolPosition }
  /** Nothing more ever: no writer owns the spool. `position` is behind all its segments. */
  | { readonly kind: 'end'; readonly position: SpoolPosition }
  /** The folder has been removed. */
  | { readonly kind: 'gone' };

export interface SpoolReader {
  /**
   * Reads on. `sealed`: nobody writes this spool any more (known before the call), so a torn last frame is not waited for.
   * @throws file errors
   */
  next(sealed: boolean): Promise<ReadStep>;
  /** Reads a frame again; undefined when its bytes no longer check. */
  readAt(at: SpoolPosition, bytes: number): Promise<Frame | undefined>;
  close(): Promise<void>;
}

const DEFAULT_CHUNK_BYTES = 4 * 1024 * 1024;

/** Reads a spool from a position on, a chunk at a time. Damage is alarmed and skipped, up to the next segment. */
export function createSpoolReader(options: {
  readonly folder: string;
  readonly from: SpoolPosition;
  readonly chunkBytes?: number;
  readonly onAlarm: OnAlarm;
  /** Where reading must stop for now, while the spool has a writer. */
  readonly holdAt?: (() => SpoolPosition | undefined) | undefined;
}): SpoolReader {
  const { folder, chunkBytes = DEFAULT_CHUNK_BYTES, onAlarm } = options;
  let position = options.from;
  let file: FileHandle | undefined;
  /** The current segment has bytes that do not check; we wait for the next one. */
  let condemned = false;

  const moveTo = async (segment: number) => {
    await file?.close();
    file = undefined;
    condemned = false;
    position = { segment, offset: 0 };
  };

  /** Decodes what lies at the position; an empty list when there is no whole frame. */
  const decode = async (size: number): Promise<PlacedFrame[]> => {
    const frames: PlacedFrame[] = [];
    const { segment, offset } = position;
    let wanted = Math.min(chunkBytes, size - offset);
    while (wanted > 0 && frames.length === 0) {
      const chunk = await readFully(file!, offset, wanted);
      let at = 0;
      let decoded = decodeFrame(chunk, at);
      for (; decoded.kind === 'frame'; decoded = decodeFrame(chunk, at)) {
        const next = { segment, offset: offset + decoded.next };
        frames.push({ frame: decoded.frame, at: { segment, offset: offset + at }, next });
        at = decoded.next;
      }
      if (frames.length > 0) break;
      if (decoded.kind === 'corrupt') {
        condemned = true;
        onAlarm(
          'spool_corrupt',
          `${folder} segment ${segment} offset ${offset}: ${decoded.reason}; skipping to the next`,
        );
        break;
      }
      if (decoded.bytes <= chunk.length || offset + decoded.bytes > size) break; // torn, or still being written
      wanted = decoded.bytes; // a frame longer than a chunk
    }
    position = frames.at(-1)?.next ?? position;
    return frames;
  };

  return {
    async next(sealed) {
      for (;;) {
        file ??= await openSegment(folder, position.segment);
        const fileBytes = file === undefined || condemned ? 0 : (await file.stat()).size;
        // Behind the look at the size: bytes that are in it and may be taken back are held by now.
        const hold = sealed ? undefined : options.holdAt?.();
        // The writer set it in a segment that was full and went on in the next one, which we have reached.
        if (hold !== undefined && hold.segment < position.segment) return { kind: 'idle', position };
        const isHeldHere = hold?.segment === position.segment;
        const size = isHeldHere ? Math.min(fileBytes, hold.offset) : fileBytes;
        if (size > position.offset) {
          const frames = await decode(size);
          if (frames.length > 0) return { kind: 'frames', frames };
        }
        if (isHeldHere) return { kind: 'idle', position };
        const segments = await listSegments(folder);
        if (segments === undefined) return { kind: 'gone' };
        const successor = segments.find((segment) => segment.number > position.segment);
        if (successor === undefined) {
          return sealed
            ? { kind: 'end', position: { segment: position.segment + 1, offset: 0 } }
            : { kind: 'idle', position };
        }
        // The segment is finished, since there is another; but it may have appeared or grown after our look at it.
        const isThere = segments.some((segment) => segment.number === position.segment);
        if (file === undefined && isThere) continue;
        if (file !== undefined && !condemned && (await file.stat()).size > fileBytes) continue;
        await moveTo(successor.number);
      }
    },
    async readAt(at, bytes) {
      const other = at.segment === position.segment ? undefined : await openSegment(folder, at.segment);
      try {
        const source = other ?? file;
        if (source === undefined) return undefined;
        const decoded = decodeFrame(await readFully(source, at.offset, bytes), 0);
        return decoded.kind === 'frame' ? decoded.frame : undefined;
      } finally {
        await other?.close();
      }
    },
    async close() {
      await file?.close();
      file = undefined;
    },
  };
}

async function openSegment(folder: string, segment: number): Promise<FileHandle | undefined> {
  try {
    return await open(join(folder, segmentName(segment)), 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Reads `bytes` at `offset`, fewer at the end of the file. */
export async function readFully(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await file.read(buffer, filled, bytes - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
