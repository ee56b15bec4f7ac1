import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** CPU time in seconds that a process and all its descendants have used, those that have ended included. */
export function cpuSecondsOfTree(pid: number): number {
  const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  let ticks = 0;
  for (const member of processTree(pid)) {
    // proc(5): utime, stime, cutime, cstime are fields 14 to 17; the name in field 2 may hold spaces.
    const fields = statFields(member);
    for (const at of [11, 12, 13, 14]) ticks += Number(fields?.[at] ?? 0);
  }
  return ticks / ticksPerSecond;
}

/** The process and its descendants that run at this moment. */
export function processTree(pid: number): number[] {
  const tree = [pid];
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), parent: Number(statFields(Number(name))?.[1]) }));
  for (const member of tree) for (const each of parents) if (each.parent === member) tree.push(each.pid);
  return tree;
}

/** The fields of /proc/<pid>/stat from the third (state) on; undefined when the process has ended. */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    if (error instanceof Error && ['ENOENT', 'ESRCH'].includes(String((error as NodeJS.ErrnoException).code))) {
      return undefined;
    }
    throw error;
  }
}
