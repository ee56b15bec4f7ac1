import type { LedgerRow } from '#store/ledger.ts';
import {
  countRows,
  differingMinutes,
  type GatewayCount,
  idsOfMinute,
  type MinuteGap,
  rolledDays,
  type Span,
} from '#store/log-audit.ts';
import type { Tx } from '#store/pool.ts';
import { type Finding, finding } from './report.ts';

/** One gateway's rows and rollups of a group; each counts interrupted ones too. */
export interface CountedGroup {
  readonly rows: number;
  readonly rolled: number;
}

export interface VerifyTablesOptions {
  readonly tx: Tx;
  readonly groupId: string;
  /** What the ledger says of the group, by gateway. */
  readonly ledger: ReadonlyMap<string, LedgerRow>;
  readonly maxIds: number;
  readonly onProgress: (done: number, total: number) => void;
}

/** A span whose rows and rollups a gateway counts differently. */
interface Differing {
  readonly span: Span;
  readonly rows: number;
  readonly rolled: number;
}

interface GatewayTables {
  rows: { ended: number; interrupted: number };
  rolled: { ended: number; interrupted: number };
  readonly differing: Differing[];
}

const MAX_MINUTES = 20;

/**
 * Counts the rows of a group, day by day as the rollups have them, and compares them with rollups and ledger. Where the
 * numbers differ, the minutes are named, and the ids as far as they can be known.
 */
export async function verifyTables(
  options: VerifyTablesOptions,
): Promise<{ readonly counted: ReadonlyMap<string, CountedGroup>; readonly findings: readonly Finding[] }> {
  const { ledger, groupId } = options;
  const gateways = await countGateways(options);
  for (const gatewayId of ledger.keys()) if (!gateways.has(gatewayId)) gateways.set(gatewayId, emptyTables());
  const findings: Finding[] = [];
  const counted = new Map<string, CountedGroup>();
  for (const [gatewayId, tables] of gateways) {
    const found = { rows: sum(tables.rows), rolled: sum(tables.rolled) };
    counted.set(gatewayId, found);
    const held = ledger.get(gatewayId);
    const expected = expectedRows(held);
    const place = { gatewayId, groupId };
    const rolled = (held?.rolled ?? 0) - (held?.rollupsRemoved ?? 0);
    if (found.rolled !== rolled) {
      const detail = `the rollups count ${found.rolled} rows, the ledger ${rolled} of them`;
      findings.push(finding('rollups_differ', detail, { ...place, count: Math.abs(found.rolled - rolled) }));
    }
    const unrolled = tookRows(held) - (held?.rolled ?? 0);
    if (unrolled > 0) {
      findings.push(
        finding('not_rolled', 'shipped by an earlier release, without rollups', { ...place, count: unrolled }),
      );
    }
    if (found.rows !== expected) findings.push(await explainRows(options, gatewayId, tables, found.rows, expected));
  }
  return { counted, findings };
}

async function countGateways({ tx, groupId, onProgress }: VerifyTablesOptions): Promise<Map<string, GatewayTables>> {
  const gateways = new Map<string, GatewayTables>();
  const of = (gatewayId: string) => {
    const tables = gateways.get(gatewayId) ?? emptyTables();
    gateways.set(gatewayId, tables);
    return tables;
  };
  const rolled = await rolledDays(tx, groupId);
  const days = [...new Set(rolled.map(({ day }) => day.getTime()))];
  // From one day that was rolled up to the next, and what is before and behind all of them.
  const starts = [null, ...days];
  for (const [index, start] of starts.entries()) {
    const span: Span = { from: toDate(start), to: toDate(starts[index + 1] ?? null) };
    const rows = new Map((await countRows(tx, groupId, span)).map((count) => [count.gatewayId, count]));
    const sums = new Map(rolled.filter(({ day }) => day.getTime() === start).map((count) => [count.gatewayId, count]));
    for (const gatewayId of new Set([...rows.keys(), ...sums.keys()])) {
      const tables = of(gatewayId);
      const [found, counted] = [rows.get(gatewayId), sums.get(gatewayId)];
      add(tables.rows, found);
      add(tables.rolled, counted);
      const difference = { span, rows: sum(found), rolled: sum(counted) };
      if (difference.rows !== difference.rolled) tables.differing.push(difference);
    }
    onProgress(index + 1, starts.length);
  }
  return gateways;
}

/** Says where rows lack or are too many. */
async function explainRows(
  { tx, groupId, ledger, maxIds }: VerifyTablesOptions,
  gatewayId: string,
  tables: GatewayTables,
  rows: number,
  expected: number,
): Promise<Finding> {
  const place = { groupId, gatewayId };
  const row = ledger.get(gatewayId);
  const thinned = row !== undefined && isThinned(row);
  const minutes: MinuteGap[] = [];
  for (const { span, rows: found } of tables.differing) {
    // Whole spans go when they are archived or expire.
    if (thinned && found === 0) continue;
    if (minutes.length >= MAX_MINUTES) break;
    minutes.push(...(await differingMinutes(tx, place, span, MAX_MINUTES - minutes.length)));
  }
  const ids: string[] = [];
  for (const minute of minutes) {
    // Which of a minute's rows are too many cannot be known, unless all are.
    if (minute.rolled > 0 || ids.length >= maxIds) continue;
    ids.push(...(await idsOfMinute(tx, place, minute.minute, maxIds - ids.length)));
  }
  const where = minutes.map(({ minute, rows: n, rolled }) => `${minute.toISOString()} has ${n} of ${rolled}`);
  const detail = [`${rows} rows, the ledger says ${expected}`, ...where].join('; ');
  return finding(rows < expected ? 'rows_missing' : 'rows_uncounted', detail, {
    ...place,
    ids,
    count: Math.abs(rows - expected),
  });
}

/** All rows that the store ever took of a gateway and group. */
function tookRows(row: LedgerRow | undefined): number {
  if (row === undefined) return 0;
  const { stored, archived, expired, interrupted } = row.held;
  return stored + archived + expired + interrupted;
}

/** Whether some of them have left the tables since. */
export function isThinned(row: LedgerRow): boolean {
  return expectedRows(row) < tookRows(row);
}

/** Those of them that should be in the tables. */
function expectedRows(row: LedgerRow | undefined): number {
  return row === undefined ? 0 : row.held.stored + row.held.interrupted - row.interruptedRemoved;
}

function emptyTables(): GatewayTables {
  return { rows: { ended: 0, interrupted: 0 }, rolled: { ended: 0, interrupted: 0 }, differing: [] };
}

function add(total: { ended: number; interrupted: number }, count: GatewayCount | undefined): void {
  total.ended += count?.ended ?? 0;
  total.interrupted += count?.interrupted ?? 0;
}

function sum(count: { readonly ended: number; readonly interrupted: number } | undefined): number {
  return count === undefined ? 0 : count.ended + count.interrupted;
}

function toDate(unixMs: number | null): Date | null {
  return unixMs === null ? null : new Date(unixMs);
}
