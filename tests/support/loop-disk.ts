import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An ext4 on a loop device: what the file system has handed to its block device lies in a file that can be copied. */
export interface LoopDisk {
  readonly path: string;
  /** What a power cut at this moment would leave, as a disk of its own: the journal is replayed as at a boot. */
  cut(): LoopDisk;
  close(): void;
}

const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: 'pipe' });

/** Undefined, and a loud line, where this process may not mount. */
export function createLoopDisk(megabytes: number): LoopDisk | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'rs-loop-'));
  try {
    const image = join(folder, 'image');
    run('truncate', '-s', `${megabytes}M`, image);
    run('mkfs.ext4', '-q', image);
    return mountImage(folder, image);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    process.stderr.write(`\n*** SKIPPED: no loop device can be mounted here: ${String(error)}\n\n`);
    return undefined;
  }
}

function mountImage(folder: string, image: string): LoopDisk {
  const path = join(folder, 'mounted');
  run('mkdir', '-p', path);
  // Nothing by itself: what was not synced is not on the device for minutes.
  run('mount', '-o', 'loop,commit=300', image, path);
  return {
    path,
    cut() {
      const left = mkdtempSync(join(tmpdir(), 'rs-loop-'));
      // This thread waits here and asks for nothing; a sync under way in another comes to its end.
      run('sleep', '0.1');
      run('cp', '--sparse=always', image, join(left, 'image'));
      return mountImage(left, join(left, 'image'));
    },
    close() {
      run('umount', path);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
