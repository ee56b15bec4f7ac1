import type { FrameType } from './frame.ts';

export type Release = (recorded: boolean) => void;

/**
 * What a spool writer owes for frames that it could not write. An open inference of which a frame is lost is `broken`:
 * its end is refused (its caller learns that the record is lost). When its begin frame is in the file all the same, a
 * `drop` frame is owed, which closes it there; a crash before that makes it an interrupted row.
 */
export interface Losses {
  /** Whether frames of this inference are lost already. */
  isBroken(id: string): boolean;
  lose(type: FrameType, id: string, release: Release | undefined): void;
  /** Hands over the inferences that need a `drop` frame. */
  takeOwed(): readonly string[];
  /** Hands over the releases to be called with false. */
  takeRefused(): readonly Release[];
  readonly owesDrops: boolean;
}

/** Bounded by the inferences under way: each leaves with its end. */
export function createLosses(): Losses {
  const broken = new Map<string, 'unbegun' | 'damaged'>();
  const owed = new Set<string>();
  let refused: Release[] = [];
  return {
    isBroken: (id) => broken.size > 0 && broken.has(id),
    lose(type, id, release) {
      if (type === 'begin') broken.set(id, 'unbegun');
      else if (type === 'part') broken.set(id, broken.get(id) ?? 'damaged');
      else {
        if (broken.get(id) !== 'unbegun') owed.add(id);
        broken.delete(id);
      }
      if (release !== undefined) refused.push(release);
    },
    takeOwed() {
      const ids = [...owed];
      owed.clear();
      return ids;
    },
    takeRefused() {
      const taken = refused;
      refused = [];
      return taken;
    },
    get owesDrops() {
      return owed.size > 0;
    },
  };
}
