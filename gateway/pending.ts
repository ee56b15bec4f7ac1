/** Work that nobody waits for but a drain. */
export interface Pending {
  /** What has not settled yet. */
  readonly count: number;
  track(work: Promise<unknown>): void;
}

export function createPending(): Pending {
  let count = 0;
  const done = () => {
    count--;
  };
  return {
    get count() {
      return count;
    },
    track(work) {
      count++;
      void work.then(done, done);
    },
  };
}
