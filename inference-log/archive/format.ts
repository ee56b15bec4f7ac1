import type { ArchivedRow, ColumnTypes } from '#store/archive-rows.ts';
import type { ArchiveFormatName } from '#store/archives.ts';
import type { ArchiveColumns } from '#store/database.ts';
import { JSONL } from './jsonl.ts';
import { PARQUET } from './parquet.ts';

/** Rows of one read, with the columns that they have. */
export interface ArchivePage {
  readonly columns: ArchiveColumns;
  readonly types: ColumnTypes;
  readonly rows: readonly ArchivedRow[];
}

/** How a file holds rows. Both ways are streams whose memory does not grow with the file. */
export interface ArchiveFormat {
  readonly name: ArchiveFormatName;
  /** What the names of its files end with. */
  readonly extension: string;
  encode(pages: AsyncIterable<ArchivePage>): AsyncIterable<Uint8Array>;
  /**
   * The rows as lines in the shape of jsonl.ts, some at a time.
   * @throws when the bytes are not what `encode` makes
   */
  decode(chunks: AsyncIterable<Uint8Array>): AsyncIterable<readonly string[]>;
}

export function formatOf(name: ArchiveFormatName): ArchiveFormat {
  switch (name) {
    case 'jsonl':
      return JSONL;
    case 'parquet':
      return PARQUET;
    default:
      return name satisfies never;
  }
}
