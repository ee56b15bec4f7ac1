import { describe, expect, test } from 'vitest';
import { ArchiveMissingError } from '#inference-log/archive/missing.ts';
import type { ArchiveStorage } from '#inference-log/archive/storage.ts';

async function* chunksOf(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function readAll(storage: ArchiveStorage, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of storage.read(name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The suite that every place of archives passes. `largeBytes` is more than it writes at one time. */
export function describeArchiveStorage(name: string, storage: () => ArchiveStorage, largeBytes: number): void {
  describe(`archives ${name}`, () => {
    test('gives back what was written, whatever its chunks, and replaces it whole', async () => {
      const name = 'org/group/a file+(1).jsonl.zst';
      const large = Buffer.from(Array.from({ length: largeBytes }, (_, index) => index % 251));
      await storage().write(
        name,
        chunksOf(large.subarray(0, 3), large.subarray(3, largeBytes - 1), large.subarray(-1)),
      );
      expect((await readAll(storage(), name)).equals(large)).toBe(true);
      await storage().write(name, chunksOf(Buffer.from('small')));
      expect((await readAll(storage(), name)).toString()).toBe('small');
      await storage().write(name, chunksOf());
      expect(await readAll(storage(), name)).toHaveLength(0);
    });

    test.each([1, 2, 3])('takes exactly %i times what it writes at one time', async (times) => {
      const bytes = Buffer.alloc((largeBytes / 4) * times, times);
      await storage().write('exact', chunksOf(bytes));
      expect((await readAll(storage(), 'exact')).equals(bytes)).toBe(true);
    });

    test('says that a file is missing, and removes one that is not there without a word', async () => {
      await expect(readAll(storage(), 'org/none')).rejects.toThrow(ArchiveMissingError);
      await storage().remove('org/none');
      await storage().write('org/one', chunksOf(Buffer.from('x')));
      await storage().remove('org/one');
      await expect(readAll(storage(), 'org/one')).rejects.toThrow(ArchiveMissingError);
    });

    test.each([
      10,
      largeBytes,
    ])('leaves nothing, and what was there before, when the source fails after %i bytes', async (bytes) => {
      await storage().write('kept', chunksOf(Buffer.from('before')));
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield Buffer.alloc(bytes);
        throw new Error('the source broke');
      }
      for (const name of ['kept', 'fresh'])
        await expect(storage().write(name, failing())).rejects.toThrow('source broke');
      expect((await readAll(storage(), 'kept')).toString()).toBe('before');
      await expect(readAll(storage(), 'fresh')).rejects.toThrow(ArchiveMissingError);
    });
  });
}
