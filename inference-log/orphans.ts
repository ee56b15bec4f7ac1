import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isUuid } from '#core/ids.ts';
import { claimOwnership } from './ownership.ts';
import { GONE_PREFIX, NEW_PREFIX, type OwnedFolder } from './spool-folder.ts';

/**
 * Looks through the root once: claims spools that nobody owns and clears what crashes left half made or half removed.
 * `wanted` says whether a spool is worth claiming; `adopt` takes over the claim.
 * @throws file errors
 */
export async function findOrphans(
  root: string,
  wanted: (spoolId: string) => boolean,
  adopt: (spoolId: string, ownership: OwnedFolder) => void,
): Promise<void> {
  for (const name of await readdir(root)) {
    const path = join(root, name);
    if (isUuid(name)) {
      if (!wanted(name)) continue;
      const ownership = await claimOwnership(path);
      if (ownership.kind === 'owned') adopt(name, ownership);
    } else if (name.startsWith(GONE_PREFIX)) {
      await rm(path, { recursive: true, force: true });
    } else if (name.startsWith(NEW_PREFIX)) {
      const ownership = await claimOwnership(path);
      if (ownership.kind === 'taken') continue;
      await rm(path, { recursive: true, force: true });
      await ownership.release();
    }
  }
}
