import { readdir, readFile } from 'node:fs/promises';

/** The process ids whose parent is `parent`. */
export async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const stat = await statOf(pid);
      const [, ppid] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
      return Number(ppid) === parent ? [pid] : [];
    }),
  );
  return found.flat();
}

/** Whether a process has ended, waited for by its parent or not. */
export async function isGone(pid: number): Promise<boolean> {
  const stat = await statOf(pid);
  return stat === undefined || /\) [ZX] /.test(stat);
}

/** The line that Linux has of a process: `pid (name) state parent …`. */
function statOf(pid: number): Promise<string | undefined> {
  return readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined); // it has ended
}
