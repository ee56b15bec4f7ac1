import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, fstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SEGMENT_FILES, type SegmentFiles } from '#inference-log/segments.ts';
import type { Syncer, SyncOrder } from '#inference-log/syncer.ts';

/** A disk that forgets: what was synced stays, of everything else some does, as after a power cut. */
export interface ForgetfulDisk {
  readonly files: SegmentFiles;
  readonly openSyncer: () => Syncer;
  /** Ends the sync under way. */
  finish(failure?: string): void;
  /** Ends each sync by itself. */
  finishAll(): void;
  /**
   * Cuts the power: makes a root with what is left of the spools in `root`. `draw` gives numbers in [0, 1).
   * @returns its path
   */
  cut(root: string, draw: () => number): string;
}

interface TrackedFile {
  readonly path: string;
  readonly inode: number;
  length: number;
  syncedLength: number;
}

const PAGE_BYTES = 512;

export function createForgetfulDisk(): ForgetfulDisk {
  const byFd = new Map<number, TrackedFile>();
  const tracked = new Map<string, TrackedFile>();
  /** Paths whose entry in their directory is on the disk. */
  const named = new Set<string>();
  let under: { readonly promise: () => void; readonly done: (failure: string | undefined) => void } | undefined;
  let isAutomatic = false;

  const finish = (failure?: string) => {
    const ending = under;
    if (ending === undefined) return;
    under = undefined;
    if (failure === undefined) ending.promise();
    ending.done(failure);
  };

  /** What an order makes durable is what was there when it was given. */
  const promiseOf = ({ files, directories }: SyncOrder) => {
    const lengths = files.map(({ fd }) => {
      const file = byFd.get(fd);
      if (file === undefined) throw new Error(`descriptor ${fd} was closed while its sync was due`);
      return { file, length: file.length };
    });
    const entries = directories.flatMap((path) => readdirSync(path).map((name) => join(path, name)));
    return () => {
      for (const { file, length } of lengths) file.syncedLength = Math.max(file.syncedLength, length);
      for (const path of entries) named.add(path);
    };
  };

  return {
    files: {
      ...SEGMENT_FILES,
      open(path) {
        const fd = SEGMENT_FILES.open(path);
        const file = { path, inode: fstatSync(fd).ino, length: 0, syncedLength: 0 };
        byFd.set(fd, file);
        tracked.set(path, file);
        return fd;
      },
      writev(fd, buffers) {
        const taken = SEGMENT_FILES.writev(fd, buffers);
        byFd.get(fd)!.length += taken;
        return taken;
      },
      truncate(fd, bytes) {
        SEGMENT_FILES.truncate(fd, bytes);
        byFd.get(fd)!.length = bytes;
      },
      close(fd) {
        byFd.delete(fd);
        SEGMENT_FILES.close(fd);
      },
    },
    openSyncer: () => ({
      sync(order, done) {
        under = { promise: promiseOf(order), done };
        if (isAutomatic) setImmediate(finish);
      },
      async close() {},
    }),
    finish,
    finishAll() {
      isAutomatic = true;
      finish();
    },
    cut(root, draw) {
      const left = join(dirname(root), `left-${randomUUID()}`);
      mkdirSync(left);
      for (const name of readdirSync(root)) {
        const folder = join(root, name);
        if (!existsSync(join(folder, 'meta.json'))) continue; // dead letters
        if (!named.has(folder) && draw() < 0.5) continue;
        mkdirSync(join(left, name));
        cpSync(join(folder, 'meta.json'), join(left, name, 'meta.json'));
        for (const segment of readdirSync(folder).filter((entry) => entry.endsWith('.seg'))) {
          const path = join(folder, segment);
          const file = tracked.get(path)!;
          // Another file has taken its place: that was synced before it was given the name.
          const isCompacted = statSync(path).ino !== file.inode;
          if (!isCompacted && !named.has(path) && draw() < 0.5) continue;
          const bytes = readFileSync(path);
          writeFileSync(join(left, name, segment), isCompacted ? bytes : whatIsLeft(bytes, file.syncedLength, draw));
        }
      }
      return left;
    },
  };
}

/** All that was synced; behind it some pages came through, others are zeros, and at some place the file ends. */
function whatIsLeft(bytes: Buffer, syncedLength: number, draw: () => number): Buffer {
  const end = syncedLength + Math.floor(draw() * (bytes.length - syncedLength + 1));
  const left = Buffer.from(bytes.subarray(0, end));
  for (let at = syncedLength; at < end; at += PAGE_BYTES) {
    if (draw() < 0.4) left.fill(0, at, Math.min(at + PAGE_BYTES, end));
  }
  return left;
}

/** Whether a spool is among what is left. */
export function isLeft(left: string, folder: string): boolean {
  return existsSync(join(left, basename(folder)));
}
