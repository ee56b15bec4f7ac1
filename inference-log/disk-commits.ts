import { join } from 'node:path';
import { reasonOf } from '#core/reason.ts';
import type { OnAlarm } from './alarms.ts';
import { annul } from './annul.ts';
import type { Release } from './losses.ts';
import type { Segments } from './segments.ts';
import type { SpoolPosition } from './spool.ts';
import { segmentName } from './spool-folder.ts';
import { type SpoolHold, setHold } from './spool-hold.ts';
import type { SpoolTerms } from './spool-terms.ts';
import { createSyncGroup, type DiskFrame, type SyncGroup } from './sync-group.ts';
import type { Syncer } from './syncer.ts';

/** A frame of `disk` mode, and where it lies once it is written. */
export interface PlacedDiskFrame extends DiskFrame {
  readonly terms: SpoolTerms;
  readonly release: Release | undefined;
  readonly at: SpoolPosition;
  readonly bytes: number;
}

/** An end that no sync has confirmed. */
export interface LostEnd extends PlacedDiskFrame {
  /** It stands in the file as a `drop` frame; otherwise its record may be stored all the same. */
  readonly isTakenBack: boolean;
}

/** What `disk` mode adds to a spool: ends are released by group commit, and what is not confirmed is taken back. */
export interface DiskCommits
  extends Pick<SyncGroup<PlacedDiskFrame>, 'healthy' | 'add' | 'retire' | 'settle' | 'close' | 'isWaiting'> {
  /** Before a write that has ends of `disk` mode: what comes from this place on must not be read before it is confirmed. */
  holdFrom(position: SpoolPosition): void;
  /** All frames of a write have been added. */
  written(): void;
}

export interface DiskCommitsOptions {
  readonly folder: string;
  readonly segments: Segments;
  readonly hold: SpoolHold;
  readonly openSyncer: () => Syncer;
  readonly closeFile: (fd: number) => void;
  readonly probeMs: number;
  readonly onAlarm: OnAlarm;
  readonly flush: () => void;
  readonly onSynced: (ends: readonly PlacedDiskFrame[]) => void;
  /** `open`: begin and part frames of inferences under way. */
  readonly onLost: (ends: readonly LostEnd[], open: readonly PlacedDiskFrame[]) => void;
}

export function createDiskCommits(options: DiskCommitsOptions): DiskCommits {
  const { folder, hold, onAlarm } = options;
  /** Where the ends begin that wait; the first one's place or one before it. */
  let heldFrom: SpoolPosition | undefined;

  const takeBack = (end: PlacedDiskFrame): LostEnd => {
    const { id, at, bytes } = end;
    try {
      annul(join(folder, segmentName(at.segment)), at.offset, bytes);
      return { ...end, isTakenBack: true };
    } catch (error) {
      onAlarm('spool_sync_failed', `the record of ${id} may come back: ${reasonOf(error)}`);
      return { ...end, isTakenBack: false };
    }
  };

  const keepHold = (first: PlacedDiskFrame | undefined) => {
    heldFrom = first?.at;
    setHold(hold, heldFrom);
  };

  const group = createSyncGroup<PlacedDiskFrame>({
    ...{ folder, onAlarm },
    ...{ openSyncer: options.openSyncer, closeFile: options.closeFile, probeMs: options.probeMs },
    current: () => options.segments.current,
    flush: options.flush,
    onSynced: (ends, firstWaiting) => {
      keepHold(firstWaiting);
      options.onSynced(ends);
    },
    onLost: (ends, open) => {
      options.segments.condemn();
      const lost = ends.map(takeBack);
      keepHold(undefined);
      // Those that a `drop` frame has closed have ended, too.
      const ended = new Set([...ends, ...open.filter(({ type }) => type === 'drop')].map(({ id }) => id));
      options.onLost(
        lost,
        open.filter(({ id }) => !ended.has(id)),
      );
    },
  });

  return {
    get healthy() {
      return group.healthy;
    },
    get isWaiting() {
      return group.isWaiting;
    },
    holdFrom(position) {
      if (heldFrom !== undefined) return;
      heldFrom = position;
      setHold(hold, position);
    },
    add: group.add,
    // hot
    written() {
      group.written();
      // The write for which it was set has failed.
      if (heldFrom !== undefined && !group.isWaiting) keepHold(undefined);
    },
    retire: group.retire,
    settle: group.settle,
    close: group.close,
  };
}
