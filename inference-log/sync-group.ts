import { dirname } from 'node:path';
import { reasonOf } from '#core/reason.ts';
import type { OnAlarm } from './alarms.ts';
import type { FrameType } from './frame.ts';
import type { Syncer, SyncFile } from './syncer.ts';

/**
 * Group commit: the ends written before a sync begins are released when it is done, those written meanwhile share the next.
 *
 *   idle ──an end was written──▶ syncing ──done──▶ idle, or syncing again
 *     ▲                             └──failed──▶ unhealthy ──probeMs──▶ syncing
 *     └──────────────────────────────────────────────done──────────────────┘
 *
 * A failed sync does not say what is on the disk, and the system forgets that it failed: the pages count as clean then
 * (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). So the segment is given up, never
 * synced again, and every `disk` frame since the last good sync is lost.
 */
export interface SyncGroup<Frame extends DiskFrame> {
  /** False after a failed sync until one succeeds. */
  readonly healthy: boolean;
  /** Whether `settle` has something to wait for. */
  readonly isWaiting: boolean;
  /** A frame of `disk` mode was written to the current segment. */
  add(frame: Frame): void;
  /** All frames of a write have been added; syncs if one of them waits. */
  written(): void;
  /** A segment ends: closes it, after a last sync if it needs one. No end in the next segment is released before that. */
  retire(fd: number, segment: number): void;
  /** Resolves when no answer waits any more. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** An end that waits, a begin or part that its end will rely on, or what closes an inference that is lost. */
export interface DiskFrame {
  readonly type: FrameType;
  readonly id: string;
}

export interface SyncGroupOptions<Frame> {
  /** Of the spool. */
  readonly folder: string;
  /** Starts what syncs; called with the first sync. */
  readonly openSyncer: () => Syncer;
  readonly current: () => SyncFile | undefined;
  readonly closeFile: (fd: number) => void;
  readonly probeMs: number;
  readonly onAlarm: OnAlarm;
  /** Writes what is queued: its frames share the fate of those before. */
  readonly flush: () => void;
  /** `firstWaiting`: the first of those that wait for the next sync. */
  readonly onSynced: (ends: readonly Frame[], firstWaiting: Frame | undefined) => void;
  /** Gives up the current segment. `open`: all other frames; their inferences have not ended unless they are in `ends`. */
  readonly onLost: (ends: readonly Frame[], open: readonly Frame[]) => void;
}

/** What a sync under way will have made durable. */
interface Syncing<Frame> {
  readonly ends: readonly Frame[];
  readonly open: readonly Frame[];
  readonly retired: readonly SyncFile[];
  readonly newestSegment: number;
}

export function createSyncGroup<Frame extends DiskFrame>(options: SyncGroupOptions<Frame>): SyncGroup<Frame> {
  const { folder, onAlarm } = options;
  /** The spool's own name is as new as its first segment. */
  const allDirectories = [folder, dirname(folder), dirname(dirname(folder))];
  let syncer: Syncer | undefined;
  let healthy = true;
  /** Whether the current segment has `disk` frames that no sync has begun for. */
  let dirty = false;
  let ends: Frame[] = [];
  let open: Frame[] = [];
  let retired: SyncFile[] = [];
  let syncing: Syncing<Frame> | undefined;
  /** Segments up to this one have their names on the disk. */
  let namedUpTo = 0;
  let probe: NodeJS.Timeout | undefined;
  let onTurn = () => {};

  const isWaiting = () => syncing !== undefined || ends.length > 0 || retired.length > 0;

  const start = () => {
    clearTimeout(probe);
    const current = options.current();
    const files = current === undefined ? retired : [...retired, current];
    const newestSegment = files.at(-1)?.segment ?? 0;
    const directories = namedUpTo === 0 ? allDirectories : newestSegment > namedUpTo ? [folder] : [];
    syncing = { ends, open, retired, newestSegment };
    [ends, open, retired, dirty] = [[], [], [], false];
    syncer ??= options.openSyncer();
    syncer.sync({ files, directories }, (failure) => {
      if (failure === undefined) succeed();
      else fail(failure);
      onTurn();
    });
  };

  // hot
  const startIfNeeded = () => {
    if ((ends.length > 0 || retired.length > 0) && syncing === undefined && healthy) start();
  };

  const succeed = () => {
    const done = syncing!;
    syncing = undefined;
    namedUpTo = Math.max(namedUpTo, done.newestSegment);
    closeAll(done.retired);
    if (!healthy) {
      healthy = true;
      onAlarm('spool_recovered', 'the disk confirms writes again');
    }
    options.onSynced(done.ends, ends[0]);
    startIfNeeded();
  };

  const fail = (failure: string) => {
    options.flush(); // while it still counts as syncing, so that this starts nothing
    const lostEnds = [...syncing!.ends, ...ends];
    const lostOpen = [...syncing!.open, ...open];
    closeAll([...syncing!.retired, ...retired]);
    [ends, open, retired, dirty, syncing] = [[], [], [], false, undefined];
    namedUpTo = 0;
    void syncer?.close(); // it may be what failed
    syncer = undefined;
    if (healthy) {
      healthy = false;
      onAlarm('spool_sync_failed', `${failure}; what no sync had confirmed is lost (${lostEnds.length} answers)`);
    }
    options.onLost(lostEnds, lostOpen);
    probe = setTimeout(start, options.probeMs).unref();
  };

  const closeAll = (files: readonly SyncFile[]) => {
    for (const { fd, segment } of files) {
      try {
        options.closeFile(fd);
      } catch (error) {
        onAlarm('spool_write_failed', `closing segment ${segment}: ${reasonOf(error)}`);
      }
    }
  };

  return {
    get healthy() {
      return healthy;
    },
    get isWaiting() {
      return isWaiting();
    },
    add(frame) {
      dirty = true;
      (frame.type === 'end' ? ends : open).push(frame);
    },
    written: startIfNeeded,
    retire(fd, segment) {
      // A descriptor that is being synced must stay what it is.
      if (dirty || syncing !== undefined) retired.push({ fd, segment });
      else closeAll([{ fd, segment }]);
      dirty = false;
    },
    async settle() {
      while (isWaiting()) {
        const turn = new Promise<void>((done) => {
          onTurn = done;
        });
        if (syncing === undefined) start();
        await turn;
      }
    },
    async close() {
      clearTimeout(probe);
      await syncer?.close();
    },
  };
}
