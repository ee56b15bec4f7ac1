import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isUuid } from '#core/ids.ts';
import { claimOwnership } from './ownership.ts';
import { GONE_PREFIX, NEW_PREFIX, type OwnedFolder } from './spool-folder.ts';

/**
 * Looks through the root once: claims spools that nobody owns and clears what crashes left half made or half removed.
 * `wanted` says whether a spool is worth claiming; `adopt` takes over the claim.
 * @throws the first file error, after the others have been looked at
 */
export async function findOrphans(
  root: string,
  wanted: (spoolId: string) => boolean,
  adopt: (spoolId: string, ownership: OwnedFolder) => void,
): Promise<void> {
  const failures: unknown[] = [];
  for (const name of await readdir(root)) {
    // One folder that cannot be read must not keep the others.
    await lookAt(name).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];

  async function lookAt(name: string): Promise<void> {
    const path = join(root, name);
    if (isUuid(name)) {
      if (!wanted(name)) return;
      const ownership = await claimOwnership(path);
      if (ownership.kind === 'owned') adopt(name, ownership);
    } else if (name.startsWith(GONE_PREFIX)) {
      await rm(path, { recursive: true, force: true });
    } else if (name.startsWith(NEW_PREFIX)) {
      const ownership = await claimOwnership(path);
      if (ownership.kind === 'taken') return;
      await rm(path, { recursive: true, force: true });
      await ownership.release();
    }
  }
}
