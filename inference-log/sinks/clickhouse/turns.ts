/** Lets so many pieces of work run at a time; the others wait, in order and without a limit. */
export interface Turns {
  run<Result>(work: () => Promise<Result>): Promise<Result>;
}

export function createTurns(count: number): Turns {
  const waiting: (() => void)[] = [];
  let free = count;
  return {
    async run(work) {
      if (free > 0) free--;
      else await new Promise<void>((go) => waiting.push(go));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) free++;
        else next();
      }
    },
  };
}
