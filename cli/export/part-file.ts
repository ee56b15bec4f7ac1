import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { z } from 'zod';
import { readIfThere, writePrivate } from '../up/secrets.ts';

const stateSchema = z.object({
  /** The parameters of the request, so that another one is not gone on with. */
  query: z.record(z.string(), z.string()),
  after: z.string().nullable(),
  bytes: z.int(),
  rows: z.int(),
  skipped: z.int(),
});
export type PartState = z.infer<typeof stateSchema>;

/**
 * An export on its way: `<file>.part` holds what has arrived, `<file>.part.json` up to where it is whole.
 * `complete` makes it the file; until then nothing of that name is touched.
 */
export interface PartFile {
  /** Where the file was left; null when it begins. */
  readonly resumed: PartState | null;
  append(bytes: Buffer): Promise<void>;
  /** Notes that everything so far is whole. */
  save(state: Omit<PartState, 'bytes' | 'query'>): Promise<void>;
  readonly bytes: () => number;
  complete(): Promise<void>;
  close(): Promise<void>;
}

export class OtherExportError extends Error {
  override name = 'OtherExportError';
}

/** Opens the part file of `out`, where it was left if it shall be resumed and there is one. */
export async function openPartFile(out: string, query: Record<string, string>, resume: boolean): Promise<PartFile> {
  const [part, statePath] = [`${out}.part`, `${out}.part.json`];
  const stored = resume ? await readIfThere(statePath) : undefined;
  const resumed = stored === undefined ? null : stateSchema.parse(JSON.parse(stored));
  if (resumed !== null && !isSame(resumed.query, query)) {
    throw new OtherExportError(`${part} is of an export with other options; use the same, or leave --resume out`);
  }
  // First the state: what an older export left must not be taken for the place of this one.
  if (resumed === null) await rm(statePath, { force: true });
  const file = await openAt(part, resumed);
  let bytes = resumed?.bytes ?? 0;
  return {
    resumed,
    bytes: () => bytes,
    async append(piece) {
      for (let done = 0; done < piece.length; ) {
        const { bytesWritten } = await file.write(piece, done, piece.length - done, bytes);
        done += bytesWritten;
        bytes += bytesWritten;
      }
    },
    save: (state) => writePrivate(statePath, { ...state, bytes, query } satisfies PartState),
    async complete() {
      await file.truncate(bytes);
      await file.sync();
      await file.close();
      await rename(part, out);
      await rm(statePath, { force: true });
    },
    close: () => file.close(),
  };
}

async function openAt(part: string, resumed: PartState | null): Promise<FileHandle> {
  if (resumed === null) return open(part, 'w', 0o600);
  const file = await open(part, 'r+', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new OtherExportError(`${part} is gone; leave --resume out to begin again`);
  });
  const { size } = await file.stat();
  if (size < resumed.bytes) {
    await file.close();
    throw new OtherExportError(`${part} is shorter than it was left; leave --resume out to begin again`);
  }
  // What came behind the last checkpoint is fetched again.
  await file.truncate(resumed.bytes);
  return file;
}

function isSame(a: Record<string, string>, b: Record<string, string>): boolean {
  const text = (query: Record<string, string>) => JSON.stringify(Object.entries(query).sort());
  return text(a) === text(b);
}
