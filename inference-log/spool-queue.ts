import { reasonOf } from '#core/reason.ts';
import type { OnAlarm } from './alarms.ts';
import type { DiskCommits } from './disk-commits.ts';
import { type FrameType, MAX_FRAME_BYTES } from './frame.ts';
import { FrameBatch } from './frame-batch.ts';
import { createLosses, type Loss, type Losses, type Release } from './losses.ts';
import type { Segments } from './segments.ts';
import type { SpoolGate } from './spool-gate.ts';
import type { LossReason, SpoolAccounts, SpoolTerms } from './spool-terms.ts';

/** Frames on their way to a spool, and what becomes of those that do not get there. */
export interface SpoolQueue {
  readonly isEmpty: boolean;
  /** Whether frames of this inference are lost already. */
  isBroken(id: string): boolean;
  /** Queues a frame for the next write. False when it is too large: it is lost then. */
  append(
    type: FrameType,
    id: string,
    meta: string,
    payload: readonly Uint8Array[] | null,
    terms: SpoolTerms,
    release?: Release,
  ): boolean;
  lose(type: FrameType, id: string, reason: LossReason, terms: SpoolTerms, release?: Release): void;
  /** The same for an end that was written, and was taken back or could not be. */
  loseWritten: Losses['loseWritten'];
  /** Writes what is queued, and settles what is lost. */
  flush(): void;
  /** Tries to write the `drop` frames that are owed, though the spool may take nothing else. */
  payDrops(): void;
  /** Before the spool closes: the same once more, in the room that was kept for it. What stays owed becomes interrupted rows. */
  payRest(): void;
  /** What is queued is lost, and what has begun without a frame: the spool is closed. */
  loseRest(): void;
  /** Lets an answer go, or refuses its end. */
  release(release: Release, mayEnd: boolean): void;
}

export interface SpoolQueueDeps {
  readonly segments: Segments;
  readonly gate: SpoolGate;
  readonly commits: () => DiskCommits;
  readonly accounts: SpoolAccounts;
  readonly schedule: (flush: () => void) => void;
  readonly scheduleLate: (flush: () => void) => void;
  readonly onAlarm: OnAlarm;
}

interface QueuedFrame {
  readonly type: FrameType;
  readonly id: string;
  readonly bytes: number;
  /** Where it ends within the batch. */
  readonly endsAt: number;
  readonly terms: SpoolTerms;
  /** Undefined when nobody waits for it. */
  readonly release: Release | undefined;
}

/** More bytes than this are written without waiting for an end to travel with. */
const MAX_LATE_BYTES = 1024 * 1024;

export function createSpoolQueue(deps: SpoolQueueDeps): SpoolQueue {
  const { segments, gate, accounts, onAlarm } = deps;
  const losses = createLosses();
  const queued = new FrameBatch();
  let frames: QueuedFrame[] = [];
  /** Among the frames are some of `disk` mode. */
  let hasDisk = false;
  let scheduled = false;
  let scheduledLate = false;

  const wake = () => {
    if (scheduled) return;
    scheduled = true;
    deps.schedule(flush);
  };

  const wakeLate = () => {
    if (scheduled || scheduledLate) return;
    scheduledLate = true;
    deps.scheduleLate(flushLate);
  };

  const flushLate = () => {
    scheduledLate = false;
    flush();
  };

  // hot
  const append: SpoolQueue['append'] = (type, id, meta, payload, terms, release) => {
    const { durability } = terms;
    const inMemory = durability === 'memory';
    // In `memory` mode the answer is out before the write, and then the memory of the request's body is used again.
    const bytes = queued.append(type, id, meta, payload, inMemory ? Number.POSITIVE_INFINITY : undefined);
    if (bytes === 0) {
      onAlarm('frame_too_large', `${type} frame of ${id} exceeds ${MAX_FRAME_BYTES} bytes`);
      lose(type, id, 'frame_too_large', terms, release);
      return false;
    }
    frames.push({ type, id, bytes, endsAt: queued.bytes, terms, release: inMemory ? undefined : release });
    const isAwaited = type === 'end' || type === 'feedback';
    if (durability === 'disk') hasDisk = true;
    if ((isAwaited && !inMemory) || type === 'drop' || queued.bytes > MAX_LATE_BYTES) wake();
    else wakeLate();
    return true;
  };

  const lose: SpoolQueue['lose'] = (type, id, reason, terms, release) => {
    losses.lose(type, id, reason, terms, release);
    if (type === 'begin') accounts.accepted(terms.account);
    wake();
  };

  const loseWritten: SpoolQueue['loseWritten'] = (loss) => {
    losses.loseWritten(loss);
    wake();
  };

  const queueDrops = () => {
    for (const [id, terms] of losses.takeOwed()) append('drop', id, '', null, terms);
  };

  const loseAll = (lost: readonly QueuedFrame[], reason: LossReason) => {
    for (const { type, id, terms, release } of lost) lose(type, id, reason, terms, release);
  };

  const flush = () => {
    scheduled = false;
    if (losses.owesDrops && !gate.blocked) queueDrops();
    if (frames.length > 0) {
      const batch = frames;
      const batchHasDisk = hasDisk;
      frames = [];
      hasDisk = false;
      if (batchHasDisk) deps.commits().holdFrom(segments.end);
      const { writtenBytes, error } = segments.append(queued.buffers());
      queued.clear();
      const written = error === undefined ? batch : batch.filter(({ endsAt }) => endsAt <= writtenBytes);
      // Before their segment may end, which is then not closed without a sync.
      if (batchHasDisk) addToCommits(written);
      if (error !== undefined) endSegment(written, error);
      settle(written);
      if (error !== undefined) loseAll(batch.slice(written.length), 'write_failed');
    }
    settleLosses();
    gate.checkBound();
  };

  const addToCommits = (written: readonly QueuedFrame[]) => {
    const { appendedAt } = segments;
    for (const { type, id, bytes, endsAt, terms, release } of written) {
      if (terms.durability !== 'disk') continue;
      const at = { segment: appendedAt.segment, offset: appendedAt.offset + endsAt - bytes };
      deps.commits().add({ type, id, bytes, at, terms, release });
    }
  };

  const endSegment = (written: readonly QueuedFrame[], error: unknown) => {
    segments.cut(written.at(-1)?.endsAt ?? 0);
    gate.writeFailed(reasonOf(error));
  };

  // hot. `process` mode: the write is enough. Ends of `disk` mode wait for a sync; nobody waits for those of `memory` mode.
  const settle = (written: readonly QueuedFrame[]) => {
    for (const { type, id, terms, release } of written) {
      if (type === 'begin') accounts.accepted(terms.account);
      else if (type === 'end') accounts.recorded(terms.account);
      else if (type === 'drop') settleDrop(id);
      if (release !== undefined && terms.durability !== 'disk') call(release, true);
    }
    deps.commits().written();
  };

  const settleDrop = (id: string) => {
    const dropped = losses.paid(id);
    if (dropped !== undefined) accounts.dropped(dropped.terms.account, dropped.reason);
  };

  /** An inference has ended without a record: its policy says whether its caller may have the answer all the same. */
  const giveUp = ({ terms, reason, release, countsNow }: Loss) => {
    if (countsNow) accounts.dropped(terms.account, reason);
    if (release !== undefined) call(release, terms.whenSpoolFull === 'serve-unlogged');
  };

  const settleLosses = () => {
    for (const loss of losses.takeEnded()) giveUp(loss);
  };

  const call = (release: Release, mayEnd: boolean) => {
    try {
      release(mayEnd);
    } catch (error) {
      onAlarm('release_failed', reasonOf(error)); // the others of the batch must not wait for ever
    }
  };

  return {
    ...{ append, lose, loseWritten, flush, release: call, isBroken: losses.isBroken },
    get isEmpty() {
      return frames.length === 0;
    },
    payDrops() {
      if (losses.owesDrops && !gate.closed) queueDrops();
    },
    payRest() {
      if (!losses.owesDrops) return;
      try {
        segments.freeBallast();
      } catch (error) {
        onAlarm('spool_write_failed', `making room for the last frames: ${reasonOf(error)}`);
      }
      queueDrops();
      flush();
    },
    loseRest() {
      loseAll(frames.splice(0), 'closed');
      queued.clear();
      losses.close();
      settleLosses();
    },
  };
}
