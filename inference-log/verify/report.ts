import type { Ledger } from '#core/ledger.ts';

/** What a verification can find. `gap`: something that the log promised is not so. The others are worth knowing. */
export const FINDING_KINDS = {
  /** The ledger counts more rows than there are (archived and expired ones left out). */
  rows_missing: { gap: true },
  /** There are more rows than the ledger counts. */
  rows_uncounted: { gap: true },
  /** Rollups and ledger disagree. */
  rollups_differ: { gap: true },
  /** Frames before the cursor, so stored; but there is no row. */
  shipped_row_missing: { gap: true },
  /** The gateway accepted more than is stored, spooled, in flight or dropped. */
  accepted_missing: { gap: true },
  /** More is stored than the gateway accepted. */
  accepted_exceeded: { gap: true },
  /** Bytes of a spool do not check. */
  spool_corrupt: { gap: true },
  /** The store says that more of a segment was stored than the segment has. */
  cursor_beyond_segment: { gap: true },
  /** The segment that the cursor stands in is not there. */
  segment_missing: { gap: true },
  /** In flight, or to become an interrupted row when a gateway starts on this folder. */
  begin_without_end: { gap: false },
  /** Counted as dropped; the frames lie in the dead-letter file. */
  dead_letter: { gap: false },
  /** Rows of an earlier release are in no rollup. */
  not_rolled: { gap: false },
} as const satisfies Record<string, { readonly gap: boolean }>;

export type FindingKind = keyof typeof FINDING_KINDS;

export interface Finding {
  readonly kind: FindingKind;
  readonly gap: boolean;
  readonly gatewayId: string | null;
  readonly groupId: string | null;
  readonly spoolId: string | null;
  /** How many inferences it concerns; 0 where that cannot be known. */
  readonly count: number;
  /** Some of them, where they are known. */
  readonly ids: readonly string[];
  readonly detail: string;
}

/** What is known of one gateway and group. */
export interface VerifiedEntry {
  readonly gatewayId: string;
  readonly groupId: string;
  readonly group: string | null;
  readonly ledger: Ledger;
  /** Counted in the tables, interrupted ones included. */
  readonly rows: number;
  /** Counted in the rollups, interrupted ones included. */
  readonly rolled: number;
  /** Ends that wait in spools of this folder. */
  readonly waiting: number;
  /** Begins without an end in spools of this folder. */
  readonly open: number;
}

export interface LogReport {
  readonly entries: readonly VerifiedEntry[];
  readonly findings: readonly Finding[];
  /** False: rows are in another store (ClickHouse), and only ledger, rollups and spools were compared. */
  readonly rowsCompared: boolean;
  readonly spools: { readonly seen: number; readonly bytes: number };
}

/** Makes a finding; what is not known of its place is null. */
export function finding(
  kind: FindingKind,
  detail: string,
  place: Partial<Pick<Finding, 'gatewayId' | 'groupId' | 'spoolId' | 'count' | 'ids'>>,
): Finding {
  const { gatewayId = null, groupId = null, spoolId = null, ids = [] } = place;
  return {
    kind,
    gap: FINDING_KINDS[kind].gap,
    gatewayId,
    groupId,
    spoolId,
    count: place.count ?? ids.length,
    ids,
    detail,
  };
}
