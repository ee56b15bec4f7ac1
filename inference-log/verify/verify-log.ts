import { balanceLedger, type Ledger, ledgerStateOf } from '#core/ledger.ts';
import { type LedgerRow, listLedger } from '#store/ledger.ts';
import { atOneMoment, auditedGroups } from '#store/log-audit.ts';
import type { Db, Tx } from '#store/pool.ts';
import { UNKNOWN_GROUP } from '../spool.ts';
import { type Finding, type FindingKind, finding, type LogReport, type VerifiedEntry } from './report.ts';
import { listSpools, type SpoolHoldings, verifySpools } from './verify-spools.ts';
import { isThinned, verifyTables } from './verify-tables.ts';

export interface VerifyLogOptions {
  /** As the role `leader`: see store/log-audit.ts. */
  readonly db: Db;
  /** The folder of the spools here; they are read and not touched. */
  readonly spoolRoot: string;
  /** Name or id; undefined: all groups. */
  readonly group: string | undefined;
  /** How many ids a finding names. */
  readonly maxIds: number;
  /** Rows go to another store than the one with the ledger: those of the tables here are not compared. */
  readonly rowsElsewhere?: boolean;
  /** Called often, with what is being done. */
  readonly onProgress: (text: string) => void;
}

export class UnknownGroupError extends Error {
  override name = 'UnknownGroupError';
}

const ALL = 1_000_000;
/** What is found by looking for rows in the tables. */
const ABOUT_ROWS: ReadonlySet<FindingKind> = new Set(['rows_missing', 'rows_uncounted', 'shipped_row_missing']);

/**
 * Recomputes the ledger from spools and tables, and names what does not agree. Gateways may serve and ship meanwhile: the
 * store is seen at one moment, and what the spools hold beyond that is what is on its way.
 * @throws UnknownGroupError; store and file errors
 */
export async function verifyLog(options: VerifyLogOptions): Promise<LogReport> {
  const { db, maxIds, onProgress, spoolRoot: root } = options;
  const listed = await listSpools(root);
  return atOneMoment(db, async (tx) => {
    const groups = await wantedGroups(tx, options.group);
    const names = new Map(groups.map(({ id, name }) => [id, name]));
    const rows = await listLedger(tx, {
      ...{ groupIds: [...names.keys(), UNKNOWN_GROUP], gatewayId: undefined, since: undefined, until: undefined },
      ...{ after: undefined, limit: ALL },
    });
    const isWanted = (groupId: string) => options.group === undefined || names.has(groupId);
    const spools = await verifySpools({ db, tx, root, listed, isWanted, maxIds, onProgress });
    const byGroup = Map.groupBy(rows, ({ groupId }) => groupId);
    // Dead letters that do not tell their group are accepted inferences of some group.
    const strayed = new Map((byGroup.get(UNKNOWN_GROUP) ?? []).map((row) => [row.gatewayId, row.held.deadLetters]));
    const findings: Finding[] = [...spools.findings];
    const entries: VerifiedEntry[] = [];
    for (const [index, { id: groupId, name }] of groups.entries()) {
      const ledger = new Map((byGroup.get(groupId) ?? []).map((row) => [row.gatewayId, row]));
      const tables = await verifyTables({
        ...{ tx, groupId, ledger, maxIds },
        onProgress: (done, total) =>
          onProgress(`group ${name ?? groupId} (${index + 1} of ${groups.length}), span ${done} of ${total}`),
      });
      findings.push(...tables.findings);
      for (const [gatewayId, { rows: found, rolled }] of tables.counted) {
        const strays = strayed.get(gatewayId) ?? 0;
        const entry = balanceEntry({ gatewayId, groupId, row: ledger.get(gatewayId), spools, strays });
        findings.push(...entry.findings);
        entries.push({
          ...{ gatewayId, groupId, group: name, ledger: entry.ledger, rows: found, rolled },
          ...{ waiting: spools.waiting.of(gatewayId, groupId), open: spools.open.of(gatewayId, groupId) },
        });
      }
    }
    const rowsCompared = options.rowsElsewhere !== true;
    const found = withoutExpired(findings, rows).filter(({ kind }) => rowsCompared || !ABOUT_ROWS.has(kind));
    return { entries, findings: found, rowsCompared, spools: { seen: listed.length, bytes: spools.bytes } };
  });
}

/**
 * A record whose row was archived or has expired may lie in a spool still. As long as no row lacks in number, such ones are
 * what the spools miss.
 */
function withoutExpired(findings: readonly Finding[], rows: readonly LedgerRow[]): readonly Finding[] {
  const placeOf = ({ gatewayId, groupId }: { readonly gatewayId: string | null; readonly groupId: string | null }) =>
    `${gatewayId} ${groupId}`;
  const lacking = new Set(findings.filter(({ kind }) => kind === 'rows_missing').map(placeOf));
  const thinned = new Set(rows.filter(isThinned).map(placeOf));
  return findings.filter(
    (found) => found.kind !== 'shipped_row_missing' || lacking.has(placeOf(found)) || !thinned.has(placeOf(found)),
  );
}

async function wantedGroups(tx: Tx, group: string | undefined) {
  const known = await auditedGroups(tx);
  if (group === undefined) return known;
  const wanted = known.filter(({ id, name }) => id === group || name === group);
  if (wanted.length === 0) throw new UnknownGroupError(`there is no group "${group}"`);
  return wanted;
}

/** Puts a gateway's own figures beside the store's and what its spools here hold. */
function balanceEntry(given: {
  readonly gatewayId: string;
  readonly groupId: string;
  readonly row: LedgerRow | undefined;
  readonly spools: SpoolHoldings;
  /** Dead letters of the gateway whose group is not known. */
  readonly strays: number;
}): { readonly ledger: Ledger; readonly findings: readonly Finding[] } {
  const { gatewayId, groupId, row, spools } = given;
  const held = row?.held ?? { stored: 0, interrupted: 0, deadLetters: 0, archived: 0, expired: 0 };
  const gateway = row?.gateway ?? null;
  const state = ledgerStateOf(gateway);
  const ledger = balanceLedger(row?.reported ?? null, held, state, false);
  const place = { gatewayId, groupId };
  if (ledger.missing < 0) {
    const detail = `the gateway accepted ${-ledger.missing} fewer than are stored, interrupted or dropped`;
    return { ledger, findings: [finding('accepted_exceeded', detail, { ...place, count: -ledger.missing })] };
  }
  // All of its spools are known, by the store as finished or from this folder: then nothing may lack.
  const known = (row?.finishedSpools ?? 0) + (spools.unfinished.get(gatewayId) ?? 0);
  const isKnown = state !== 'live' && gateway !== null && gateway.spools > 0 && known >= gateway.spools;
  const onTheirWay = spools.waiting.of(gatewayId, groupId) + spools.open.of(gatewayId, groupId);
  const lacking = ledger.inFlight + ledger.spooled - onTheirWay - given.strays;
  if (!isKnown || lacking <= 0 || groupId === UNKNOWN_GROUP) return { ledger, findings: [] };
  const detail = `the gateway accepted ${lacking} more than are stored, spooled, interrupted or dropped`;
  const gap: Ledger = { ...ledger, balance: 'gap', missing: lacking };
  return { ledger: gap, findings: [finding('accepted_missing', detail, { ...place, count: lacking })] };
}
