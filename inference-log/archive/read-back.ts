import { reasonOf } from '#core/reason.ts';
import { type ArchiveRow, countsKey } from '#store/archives.ts';
import type { RowCount } from '#store/database.ts';
import { createByteDigest, createRowTally } from './digest.ts';
import { formatOf } from './format.ts';
import type { ArchiveStorage } from './storage.ts';

/** What an archive's file must be. */
export interface Expected {
  readonly format: ArchiveRow['format'];
  readonly location: string;
  readonly groupId: string;
  readonly startsAt: Date;
  readonly endsAt: Date;
  readonly counts: readonly RowCount[];
  readonly rows: number;
  readonly payloads: number;
  readonly bytes: number;
  readonly sha256: string;
}

export type ReadBack = { readonly kind: 'whole' } | { readonly kind: 'damaged'; readonly reason: string };

/** How lines with something captured look; lines are JSON of our own making. */
const NO_PAYLOAD = '"payload":null}';

/**
 * Reads a whole file and compares it with what was written: length, checksum, rows, payloads, rows by gateway, status and
 * outcome, and that each row is of the partition.
 * @param use is given the lines on their way, for a restore; what it throws is thrown on
 * @throws storage errors, and those of the temporary folder that a format may need; a damaged file is an answer
 */
export async function readBack(
  storage: ArchiveStorage,
  expected: Expected,
  use: (lines: readonly string[]) => Promise<void> = async () => undefined,
): Promise<ReadBack> {
  const digest = createByteDigest();
  const tally = createRowTally(expected);
  let payloads = 0;
  const source = storage.read(expected.location);
  /** Of what reads the file, or of what uses its lines: no fault of the bytes. */
  const failures: unknown[] = [];
  const watched = digest.watch(rethrowing(source, (error) => failures.push(error)));
  try {
    for await (const lines of formatOf(expected.format).decode(watched)) {
      for (const line of lines) {
        tally.add(line);
        if (!line.endsWith(NO_PAYLOAD)) payloads++;
      }
      try {
        await use(lines);
      } catch (error) {
        failures.push(error);
        throw error;
      }
    }
  } catch (error) {
    if (failures.length > 0) throw failures[0];
    if (isOfSystem(error)) throw error;
    return { kind: 'damaged', reason: `it cannot be decoded: ${reasonOf(error)}` };
  }
  const { bytes, sha256 } = digest.result();
  const differences = [
    difference('bytes', bytes, expected.bytes),
    difference('SHA-256', sha256, expected.sha256),
    difference('rows', tally.rows, expected.rows),
    difference('payloads', payloads, expected.payloads),
    difference('rows by gateway, status and outcome', countsKey(tally.counts()), countsKey(expected.counts)),
  ].flatMap((text) => text ?? []);
  return differences.length === 0 ? { kind: 'whole' } : { kind: 'damaged', reason: differences.join(', ') };
}

/** Whether a system call failed: that is no fault of the bytes either. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

/** What an archive's row says of its file. @throws when it was never written to its end */
export function expectedOf(archive: ArchiveRow): Expected {
  const { counts, row_count, payload_count, file_bytes, file_sha256 } = archive;
  if (counts === null || row_count === null || payload_count === null || file_bytes === null || file_sha256 === null) {
    throw new Error(`archive ${archive.id} was never written to its end`);
  }
  return {
    ...{ format: archive.format, location: archive.location, groupId: archive.group_id },
    ...{ startsAt: archive.starts_at, endsAt: archive.ends_at, counts },
    ...{ rows: row_count, payloads: payload_count, bytes: file_bytes, sha256: file_sha256 },
  };
}

async function* rethrowing(
  chunks: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    onError(error);
    throw error;
  }
}

function difference(what: string, found: number | string, wanted: number | string): string | undefined {
  if (found === wanted) return undefined;
  if (what.startsWith('rows by')) return `other ${what} than were archived`;
  return `${found} ${what} instead of ${wanted}`;
}
