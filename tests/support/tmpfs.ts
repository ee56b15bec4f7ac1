import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A disk of its own, as small as one likes. */
export interface SmallDisk {
  readonly path: string;
  unmount(): void;
}

/** Mounts a tmpfs; undefined, and a loud line, where this process may not. */
export function mountTmpfs(name: string, megabytes: number): SmallDisk | undefined {
  const path = join(tmpdir(), `rs-disk-${name}`);
  mkdirSync(path, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', path], { stdio: 'pipe' });
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    process.stderr.write(`\n*** SKIPPED: no tmpfs can be mounted here, so that no disk is full: ${String(error)}\n\n`);
    return undefined;
  }
  return {
    path,
    unmount() {
      execFileSync('umount', [path], { stdio: 'pipe' });
      rmSync(path, { recursive: true, force: true });
    },
  };
}
