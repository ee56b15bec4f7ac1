import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { ArchiveMissingError } from './missing.ts';
import type { ArchiveStorage } from './storage.ts';

/**
 * Archives in a folder: written beside their place, fsynced, and moved there.
 * @param sync makes the entries of a folder durable; tests give their own
 */
export function createDiskStorage(folder: string, sync: (path: string) => Promise<void> = syncFolder): ArchiveStorage {
  const root = resolve(folder);
  return {
    place: folder,
    async write(name, chunks) {
      const path = join(root, name);
      const unfinished = unfinishedOf(path);
      const made = await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      try {
        const file = await open(unfinished, 'w', 0o600);
        try {
          for await (const chunk of chunks) await file.writeFile(chunk);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(unfinished, path);
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
      for (const changed of foldersAbove(path, topOf(root, made))) await sync(changed);
    },
    async *read(name) {
      try {
        for await (const chunk of createReadStream(join(folder, name))) yield chunk as Uint8Array;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        throw new ArchiveMissingError(`there is no file ${name} in ${folder}`, { cause: error });
      }
    },
    async remove(name) {
      await rm(join(root, name), { force: true });
      await rm(unfinishedOf(join(root, name)), { force: true }); // a writer that was killed had no time to
    },
  };
}

function unfinishedOf(path: string): string {
  return `${path}.unfinished`;
}

/**
 * The highest folder that may have got an entry: the root, whose folders another one may have made and not synced, or, when
 * the root was made too, the folder above what was made.
 */
function topOf(root: string, made: string | undefined): string {
  return made !== undefined && `${root}${sep}`.startsWith(`${resolve(made)}${sep}`) ? dirname(resolve(made)) : root;
}

/** From the one that holds `path` up to `top`. */
function foldersAbove(path: string, top: string): string[] {
  const folders = [dirname(path)];
  for (let last = folders[0]!; last !== top && last !== dirname(last); last = folders.at(-1)!)
    folders.push(dirname(last));
  return folders;
}

/** The name itself must survive a power cut too, and those of the folders on its way. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
