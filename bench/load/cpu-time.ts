import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks of /proc/<pid>/stat: 100 a second wherever Linux is compiled for applications (USER_HZ). */
const TICKS_PER_S = 100;

/** CPU seconds, user and system, that the threads of a process with such a name have taken so far. Linux only. */
export function threadCpuS(pid: number, name: RegExp): number {
  let ticks = 0;
  let found = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = parseThreadStat(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'));
    if (!name.test(stat.name)) continue;
    ticks += stat.ticks;
    found++;
  }
  if (found === 0) throw new Error(`process ${pid} has no thread called ${String(name)}`);
  return ticks / TICKS_PER_S;
}

/** Name and utime + stime of a line of proc_pid_stat(5). The name may hold spaces and parentheses. */
export function parseThreadStat(line: string): { readonly name: string; readonly ticks: number } {
  const end = line.lastIndexOf(')');
  const fields = line.slice(end + 2).split(' ');
  // Fields 14 and 15 of the line; the first one behind the name is the third.
  return { name: line.slice(line.indexOf('(') + 1, end), ticks: Number(fields[11]) + Number(fields[12]) };
}
