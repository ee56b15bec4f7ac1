import { createDiskStorage } from './disk.ts';
import { createS3Storage, type S3Settings } from './s3.ts';

/** Where archives lie. Implementations share the contract suite in tests/contract/archive-storage.ts. */
export interface ArchiveStorage {
  /** For operators: the folder or the bucket. */
  readonly place: string;
  /** Writes a file whole, in the place of one that has the name: it is found there only when all of it is safe. */
  write(name: string, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** @throws ArchiveMissingError when there is no such file */
  read(name: string): AsyncIterable<Uint8Array>;
  /** No error when there is none. */
  remove(name: string): Promise<void>;
}

export type ArchiveSettings =
  | { readonly kind: 'disk'; readonly folder: string }
  | ({ readonly kind: 's3' } & S3Settings);

export function createArchiveStorage(settings: ArchiveSettings): ArchiveStorage {
  switch (settings.kind) {
    case 'disk':
      return createDiskStorage(settings.folder);
    case 's3':
      return createS3Storage(settings);
    default:
      return settings satisfies never;
  }
}
