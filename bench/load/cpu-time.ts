import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks of /proc/<pid>/stat: 100 a second wherever Linux is compiled for applications (USER_HZ). */
const TICKS_PER_S = 100;

/** CPU seconds, user and system, that the threads of a process with such a name have taken so far. Linux only. */
export function threadCpuS(pid: number, name: RegExp): number {
  let ticks = 0;
  let found = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = parseStat(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'));
    if (!name.test(stat.name)) continue;
    ticks += stat.ticks;
    found++;
  }
  if (found === 0) throw new Error(`process ${pid} has no thread called ${String(name)}`);
  return ticks / TICKS_PER_S;
}

/** CPU seconds that a process and all its descendants have taken so far, those that have ended included. Linux only. */
export function treeCpuS(pid: number): number {
  const stats = processTree(pid).map(statOf);
  return (
    stats.reduce((sum, stat) => sum + (stat === undefined ? 0 : stat.ticks + stat.endedChildrenTicks), 0) / TICKS_PER_S
  );
}

/** The process and its descendants that run at this moment. */
export function processTree(pid: number): number[] {
  const tree = [pid];
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), parent: statOf(Number(name))?.parent }));
  for (const member of tree) for (const each of parents) if (each.parent === member) tree.push(each.pid);
  return tree;
}

interface Stat {
  readonly name: string;
  readonly parent: number;
  /** User and system. */
  readonly ticks: number;
  /** Of children that were waited for. */
  readonly endedChildrenTicks: number;
}

/** A line of proc_pid_stat(5). The name may hold spaces and parentheses. */
export function parseStat(line: string): Stat {
  const end = line.lastIndexOf(')');
  // The first one behind the name is field 3, so that field n is at n - 3.
  const fields = line
    .slice(end + 2)
    .split(' ')
    .map(Number);
  return {
    name: line.slice(line.indexOf('(') + 1, end),
    parent: fields[1]!,
    ticks: fields[11]! + fields[12]!,
    endedChildrenTicks: fields[13]! + fields[14]!,
  };
}

/** Undefined when the process has ended. */
function statOf(pid: number): Stat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (error instanceof Error && ['ENOENT', 'ESRCH'].includes(String((error as NodeJS.ErrnoException).code))) {
      return undefined;
    }
    throw error;
  }
}
