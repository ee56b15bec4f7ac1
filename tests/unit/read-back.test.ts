import { afterEach, expect, test, vi } from 'vitest';
import { readBack } from '#inference-log/archive/read-back.ts';
import type { ArchiveStorage } from '#inference-log/archive/storage.ts';

const storage = (bytes: string): ArchiveStorage => ({
  place: 'here',
  write: async () => undefined,
  async *read() {
    yield Buffer.from(bytes);
  },
  remove: async () => undefined,
});
const expected = (format: 'jsonl' | 'parquet') => ({
  ...{ format, location: 'x', groupId: 'g', startsAt: new Date(0), endsAt: new Date(1) },
  ...{ counts: [], rows: 0, payloads: 0, bytes: 0, sha256: '' },
});
afterEach(() => void vi.unstubAllEnvs());

test.each(['jsonl', 'parquet'] as const)('bytes that are no %s are a damaged archive', async (format) => {
  expect(await readBack(storage('neither of them'), expected(format))).toMatchObject({ kind: 'damaged' });
});

test('a temporary folder that cannot be written says nothing of the archive', async () => {
  vi.stubEnv('TMPDIR', '/proc/nowhere');
  await expect(readBack(storage('x'), expected('parquet'))).rejects.toThrow(/ENOENT.*mkdtemp/);
});
