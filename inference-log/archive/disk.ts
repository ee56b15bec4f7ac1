import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArchiveMissingError } from './missing.ts';
import type { ArchiveStorage } from './storage.ts';

/** Archives in a folder: written beside their place, fsynced, and moved there. */
export function createDiskStorage(folder: string): ArchiveStorage {
  return {
    place: folder,
    async write(name, chunks) {
      const path = join(folder, name);
      const unfinished = `${path}.unfinished`;
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
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
      await syncFolder(dirname(path));
    },
    async *read(name) {
      try {
        for await (const chunk of createReadStream(join(folder, name))) yield chunk as Uint8Array;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        throw new ArchiveMissingError(`there is no file ${name} in ${folder}`, { cause: error });
      }
    },
    remove: (name) => rm(join(folder, name), { force: true }),
  };
}

/** The name itself must survive a power cut too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
