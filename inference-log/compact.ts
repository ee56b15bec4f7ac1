import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '#core/reason.ts';
import type { OnAlarm } from './alarms.ts';
import type { KeptFrame, Pinned } from './assembler.ts';
import { decodeFrame } from './frame.ts';
import { FrameBatch } from './frame-batch.ts';
import type { SpoolPosition } from './spool.ts';
import { listSegments, segmentName } from './spool-folder.ts';
import { readFully } from './spool-reader.ts';

/** A frame that lies somewhere else now. */
export interface Move {
  readonly kept: KeptFrame;
  readonly at: SpoolPosition;
}

const COMPACT_NAME = 'compact.tmp';
/** What is written must be no more than this share of what it frees: so often at most is a byte written again. */
const WORTH_IT = 1 / 2;

/**
 * An answer that stays open for hours must not hold every segment written after it began. So `segment`, whose ends are all
 * stored, is replaced by what is still needed of it and of the segments before it: the begin and part frames of what is
 * open, and a `drop` frame for each inference that began before it and ended in it. Whoever reads it, from its start or
 * from any earlier segment, is left with the same open inferences as before; so it does not matter whether a crash comes
 * before or after the cursor moves to its start, when the segments before it can go.
 *
 * @param first the oldest segment that is still there
 * @returns where the frames are now; undefined when there was nothing to gain
 * @throws file errors after which the segment must be read again
 */
export async function compact(
  folder: string,
  first: number,
  segment: number,
  pinned: Pinned,
  onAlarm: OnAlarm,
): Promise<readonly Move[] | undefined> {
  const segments = (await listSegments(folder)) ?? [];
  const held = segments.filter(({ number }) => number >= first && number <= segment);
  const heldBytes = held.reduce((sum, { bytes }) => sum + bytes, 0);
  const liveBytes = pinned.frames.reduce((sum, { bytes }) => sum + bytes, 0);
  if (held.at(-1)?.number !== segment || liveBytes > heldBytes * WORTH_IT) return undefined;
  const moves = await writeCompacted(folder, segment, pinned).catch((error: unknown) => {
    // A full disk, as a rule: the next segment is another occasion.
    onAlarm('spool_write_failed', `${folder} cannot be compacted: ${reasonOf(error)}`);
    return undefined;
  });
  if (moves === undefined) {
    await rm(join(folder, COMPACT_NAME), { force: true });
    return undefined;
  }
  await rename(join(folder, COMPACT_NAME), join(folder, segmentName(segment)));
  await syncFolder(folder); // before the cursor passes what it was made from
  return moves;
}

/** Undefined when a frame can no longer be read: then everything stays. */
async function writeCompacted(folder: string, segment: number, pinned: Pinned): Promise<Move[] | undefined> {
  const sources = new Map<number, FileHandle>();
  const target = await open(join(folder, COMPACT_NAME), 'w', 0o600);
  try {
    const moves: Move[] = [];
    let offset = 0;
    for (const kept of pinned.frames) {
      const { at, bytes } = kept;
      const source = sources.get(at.segment) ?? (await open(join(folder, segmentName(at.segment)), 'r'));
      sources.set(at.segment, source);
      const frame = await readFully(source, at.offset, bytes);
      if (decodeFrame(frame, 0).kind !== 'frame') return undefined;
      await target.appendFile(frame);
      moves.push({ kept, at: { segment, offset } });
      offset += bytes;
    }
    const drops = new FrameBatch();
    for (const id of pinned.closed) drops.append('drop', id, '', null);
    for (const piece of drops.buffers()) await target.appendFile(piece);
    await target.sync();
    return moves;
  } finally {
    for (const file of [target, ...sources.values()]) await file.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const directory = await open(folder, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
