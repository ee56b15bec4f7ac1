/** Does `work` at once and then again `everyMs` after it is done. Returns what ends that, after the work under way. */
export function repeat(work: () => Promise<void>, everyMs: number): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const turn = async () => {
    await work();
    if (!stopped) timer = setTimeout(() => (current = turn()), everyMs).unref();
  };
  let current = turn();
  return () => {
    stopped = true;
    clearTimeout(timer);
    return current;
  };
}

/** Whether `work` is done within `ms`. */
export async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
