import { indexClosedPartition } from '#store/partition-indexes.ts';
import type { Db } from '#store/pool.ts';
import type { Job } from './scheduler.ts';

export interface ClosedIndexesJobDeps {
  /** Of the role `leader`. */
  readonly db: Db;
  readonly everyMs: number;
  readonly log: (line: string) => void;
}

/** Gives partitions that have ended their indexes for full text and latency, one after the other: a build takes a while and CPU time. */
export function createClosedIndexesJob({ db, everyMs, log }: ClosedIndexesJobDeps): Job {
  return {
    name: 'closed-indexes',
    everyMs,
    async run(signal) {
      let indexed = 0;
      while (!signal.aborted && (await indexClosedPartition(db)) !== null) indexed++;
      if (indexed > 0) log(`indexed ${indexed} partitions that have ended`);
    },
  };
}
