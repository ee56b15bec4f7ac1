import type { FrameType } from './frame.ts';
import type { LossReason, SpoolTerms } from './spool-terms.ts';

export type Release = (recorded: boolean) => void;

/** An inference that has ended without a record. */
export interface Loss {
  readonly terms: SpoolTerms;
  readonly reason: LossReason;
  /** Undefined when its answer is out already. */
  readonly release: Release | undefined;
}

/**
 * What a spool writer owes for frames that it could not write. An open inference of which a frame is lost is `broken`:
 * its end is lost, too. When its begin frame is in the file all the same, a `drop` frame is owed, which closes it there; a
 * crash before that makes it an interrupted row.
 */
export interface Losses {
  /** Whether frames of this inference are lost already. */
  isBroken(id: string): boolean;
  lose(type: FrameType, id: string, reason: LossReason, terms: SpoolTerms, release: Release | undefined): void;
  /** Hands over the inferences that need a `drop` frame. */
  takeOwed(): readonly string[];
  /** Hands over those that have ended, to be counted and released. */
  takeEnded(): readonly Loss[];
  readonly owesDrops: boolean;
}

interface Broken {
  readonly begun: boolean;
  /** Of the first frame that was lost. */
  readonly reason: LossReason;
}

const NOTHING: readonly Loss[] = [];

/** Bounded by the inferences under way: each leaves with its end. */
export function createLosses(): Losses {
  const broken = new Map<string, Broken>();
  const owed = new Set<string>();
  let ended: Loss[] = [];
  return {
    isBroken: (id) => broken.size > 0 && broken.has(id),
    lose(frameType, id, reason, terms, release) {
      const before = broken.get(id);
      switch (frameType) {
        case 'begin':
          broken.set(id, { begun: false, reason });
          return;
        case 'part':
          if (before === undefined) broken.set(id, { begun: true, reason });
          return;
        case 'end':
          broken.delete(id);
          if (before?.begun !== false) owed.add(id);
          ended.push({ terms, reason: before?.reason ?? reason, release });
          return;
        case 'drop':
          owed.add(id);
          return;
        default:
          frameType satisfies never;
      }
    },
    takeOwed() {
      const ids = [...owed];
      owed.clear();
      return ids;
    },
    takeEnded() {
      if (ended.length === 0) return NOTHING;
      const taken = ended;
      ended = [];
      return taken;
    },
    get owesDrops() {
      return owed.size > 0;
    },
  };
}
