import type { ArchiveRow } from '#store/archives.ts';

/** An archive as the command line shows it. */
export interface ArchiveView {
  readonly id: string;
  readonly group: string;
  readonly groupId: string;
  readonly from: string;
  readonly until: string;
  readonly state: ArchiveRow['state'];
  readonly format: ArchiveRow['format'];
  readonly location: string;
  readonly rows: number | null;
  readonly payloads: number | null;
  readonly bytes: number | null;
  readonly sha256: string | null;
  readonly restoredUntil: string | null;
  readonly createdAt: string;
}

export function archiveView(row: ArchiveRow & { readonly group: string }): ArchiveView {
  return {
    id: row.id,
    group: row.group,
    groupId: row.group_id,
    from: row.starts_at.toISOString(),
    until: row.ends_at.toISOString(),
    state: row.state,
    format: row.format,
    location: row.location,
    rows: row.row_count,
    payloads: row.payload_count,
    bytes: row.file_bytes,
    sha256: row.file_sha256,
    restoredUntil: row.restored_until?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  };
}

/** Lines of a table, the head first. */
export function tableOf(views: readonly ArchiveView[]): string[] {
  if (views.length === 0) return ['no archives'];
  const head = ['id', 'group', 'from', 'until', 'state', 'rows', 'bytes', 'file'];
  const rows = views.map((view) => [
    ...[view.id, view.group, view.from.slice(0, 10), view.until.slice(0, 10), view.state],
    ...[String(view.rows ?? '-'), String(view.bytes ?? '-'), view.location],
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((cells) => cells[column]!.length)));
  return [head, ...rows].map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
