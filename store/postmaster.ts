import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** What the `postmaster.pid` of a cluster says, and what has become of that process. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  /** `postgres`: it is the server of this folder. `other`: whatever runs, the server has ended, and its id is somebody else's. */
  readonly state: 'gone' | 'zombie' | 'postgres' | 'other';
}

/** The server of a cluster in this very folder; undefined when none was started, or it ended in good order. */
export async function findPostmaster(dataFolder: string): Promise<Postmaster | undefined> {
  const text = await readFile(`${dataFolder}/postmaster.pid`, 'utf8').catch((error: { code?: unknown }) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  // Process, folder, start, port, and more (PostgreSQL's miscadmin.h).
  const [pidLine, folder, , portLine] = (text ?? '').split('\n');
  const pid = Number(pidLine);
  if (!Number.isInteger(pid) || pid <= 1 || folder !== dataFolder) return undefined;
  return { pid, port: Number(portLine), state: await stateOf(pid, dataFolder) };
}

async function stateOf(pid: number, dataFolder: string): Promise<Postmaster['state']> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EPERM') return 'gone'; // ESRCH: there is no such process
  }
  if (process.platform !== 'linux') return stateByPs(pid, dataFolder);
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''); // gone meanwhile
  if (status === '') return 'gone';
  if (/\) [ZX] /.test(status)) return 'zombie';
  if (!status.includes('(postgres)')) return 'other';
  // A server of another cluster may have the id by now: it must be neither stopped nor given the password.
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return command.split('\0').includes(dataFolder) ? 'postgres' : 'other';
}

async function stateByPs(pid: number, dataFolder: string): Promise<'gone' | 'postgres' | 'other'> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'args=', '-p', String(pid)]);
    return stdout.includes('postgres') && stdout.includes(`-D ${dataFolder} `) ? 'postgres' : 'other';
  } catch {
    return 'gone'; // ps found no such process
  }
}
