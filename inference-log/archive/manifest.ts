import type { ArchiveContents, ArchiveFormatName } from '#store/archives.ts';
import type { Partition } from '#store/partitions.ts';

/** What lies beside an archive's file, for whoever finds it without the database. */
interface Manifest extends ArchiveContents {
  readonly schema: 1;
  readonly id: string;
  readonly organizationId: string;
  readonly groupId: string;
  readonly group: string;
  /** ISO 8601; half-open: `from` ≤ created < `until`. */
  readonly from: string;
  readonly until: string;
  readonly format: ArchiveFormatName;
  readonly file: string;
}

export interface ManifestHead {
  readonly id: string;
  readonly organizationId: string;
  readonly group: string;
  readonly format: ArchiveFormatName;
  readonly location: string;
}

export function manifestLocation(location: string): string {
  return `${location}.manifest.json`;
}

/** The manifest as the bytes of its file. */
export async function* manifestBytes(
  { id, organizationId, group, format, location }: ManifestHead,
  { groupId, startsAt, endsAt }: Partition,
  contents: ArchiveContents,
): AsyncGenerator<Uint8Array> {
  const manifest: Manifest = {
    ...{ schema: 1, id, organizationId, groupId, group, from: startsAt.toISOString(), until: endsAt.toISOString() },
    ...{ format, file: location.slice(location.lastIndexOf('/') + 1), ...contents },
  };
  yield Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
}
