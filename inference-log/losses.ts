import type { FrameType } from './frame.ts';
import type { LossReason, SpoolTerms } from './spool-terms.ts';

export type Release = (recorded: boolean) => void;

/** An inference that is counted as dropped, or will be. */
export interface Dropped {
  readonly terms: SpoolTerms;
  readonly reason: LossReason;
}

/** An inference that has ended without a record. */
export interface Loss extends Dropped {
  /** Undefined when its answer is out already. */
  readonly release: Release | undefined;
  /**
   * It counts as dropped now. Where a `drop` frame is owed it does once that is written: a stop before would make it an
   * interrupted row.
   */
  readonly countsNow: boolean;
}

/**
 * What a spool writer owes for frames that it could not write. An open inference of which a frame is lost is `broken`:
 * its end is lost, too. When its begin frame is in the file all the same, a `drop` frame is owed, which closes it there and
 * from which on it counts as dropped; a stop before that makes it an interrupted row.
 */
export interface Losses {
  /** Whether frames of this inference are lost already. */
  isBroken(id: string): boolean;
  lose(type: FrameType, id: string, reason: LossReason, terms: SpoolTerms, release: Release | undefined): void;
  /** Its end was lost behind its write: `isDropped` says whether a `drop` frame stands in its place, or it may be stored still. */
  loseWritten(loss: Dropped & { readonly release: Release | undefined; readonly isDropped: boolean }): void;
  /** Hands over the inferences that need a `drop` frame, with their terms. */
  takeOwed(): readonly (readonly [id: string, terms: SpoolTerms])[];
  /** The `drop` frame of an inference is written: how it is counted. */
  paid(id: string): Dropped | undefined;
  /** Hands over those that have ended, to be counted and released. */
  takeEnded(): readonly Loss[];
  readonly owesDrops: boolean;
  /** The spool is closed: what has no begin frame in the file is dropped, whether it ends or not. */
  close(): void;
}

/** `reason`: of the first frame that was lost. */
interface Broken extends Dropped {
  /** Its begin frame is in the file. */
  readonly begun: boolean;
  /** It has been counted as dropped though it has not ended: the spool is closed. */
  readonly isCounted: boolean;
}

const NOTHING: readonly Loss[] = [];

/** Bounded by the inferences under way: each leaves with its end. */
export function createLosses(): Losses {
  const broken = new Map<string, Broken>();
  /** Ended, and open in the file. */
  const owed = new Map<string, Dropped>();
  /** Those among them whose `drop` frame is not on its way. */
  const unqueued = new Set<string>();
  let ended: Loss[] = [];
  let closed = false;

  const dropUnbegun = (id: string, dropped: Dropped) => {
    broken.set(id, { ...dropped, begun: false, isCounted: true });
    ended.push({ ...dropped, release: undefined, countsNow: true });
  };

  const end = (id: string, loss: Dropped, release: Release | undefined) => {
    const before = broken.get(id);
    broken.delete(id);
    const reason = before?.reason ?? loss.reason;
    const isInFile = before?.begun !== false;
    ended.push({ terms: loss.terms, reason, release, countsNow: !isInFile && !before.isCounted });
    if (!isInFile) return;
    owed.set(id, { terms: loss.terms, reason });
    unqueued.add(id);
  };

  /** It ended before its begin frame was written, which is now lost: nothing in the file is to be closed. */
  const unowe = (id: string) => {
    const { terms, reason } = owed.get(id)!;
    owed.delete(id);
    unqueued.delete(id);
    ended.push({ terms, reason, release: undefined, countsNow: true });
  };

  return {
    isBroken: (id) => broken.size > 0 && broken.has(id),
    lose(frameType, id, reason, terms, release) {
      switch (frameType) {
        case 'begin':
          if (owed.has(id)) unowe(id);
          else if (closed) dropUnbegun(id, { terms, reason });
          else broken.set(id, { terms, reason, begun: false, isCounted: false });
          return;
        case 'part':
          // What is owed has ended: nothing would ever take it out of the broken ones.
          if (!broken.has(id) && !owed.has(id)) broken.set(id, { terms, reason, begun: true, isCounted: false });
          return;
        case 'end':
          end(id, { terms, reason }, release);
          return;
        case 'drop':
          if (owed.has(id)) unqueued.add(id);
          return;
        case 'feedback':
          // Not an inference, so in no ledger: its caller is told.
          ended.push({ terms, reason, release, countsNow: false });
          return;
        default:
          frameType satisfies never;
      }
    },
    loseWritten: ({ isDropped, ...loss }) => void ended.push({ ...loss, countsNow: isDropped }),
    takeOwed() {
      const taken = [...unqueued].map((id) => [id, owed.get(id)!.terms] as const);
      unqueued.clear();
      return taken;
    },
    paid(id) {
      const dropped = owed.get(id);
      owed.delete(id);
      return dropped;
    },
    takeEnded() {
      if (ended.length === 0) return NOTHING;
      const taken = ended;
      ended = [];
      return taken;
    },
    get owesDrops() {
      return unqueued.size > 0;
    },
    close() {
      closed = true;
      for (const [id, { begun, isCounted, terms, reason }] of broken) {
        if (!begun && !isCounted) dropUnbegun(id, { terms, reason });
      }
    },
  };
}
