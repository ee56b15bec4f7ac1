import type { Selectable } from 'kysely';
import { balanceLedger, ledgerStateOf, sumOf } from '#core/ledger.ts';
import type { SnapshotDocument, SnapshotExperiment } from '#core/snapshot/schema.ts';
import { size } from '#core/split/ranges.ts';
import type { Database } from './database.ts';
import { type LedgerRow, listLedger } from './ledger.ts';
import type { Tx } from './pool.ts';

export type PhaseRow = Selectable<Database['experiment_phases']>;

/** More gateways than ever ran beside each other; a ledger has a row for each. */
const MAX_GATEWAYS = 10_000;

/**
 * Keeps which buckets each experiment of a snapshot compares. It is part of publishing, so that what a phase is judged by is what its
 * gateways were told, whoever changed it; the lock of publishing keeps two from writing at once.
 */
export async function keepPhases(tx: Tx, document: SnapshotDocument): Promise<void> {
  for (const { id, experiment } of document.groups) {
    if (experiment !== undefined) await keepPhase(tx, document.organizationId, id, experiment);
  }
}

async function keepPhase(
  tx: Tx,
  organizationId: string,
  groupId: string,
  { id, phase, arms }: SnapshotExperiment,
): Promise<void> {
  const weightsBp = arms.map(({ ranges }) => size(ranges));
  // Nobody counts: nothing begins, and what was compared before is not changed.
  if (weightsBp.every((weightBp) => weightBp === 0)) return;
  const known = await tx
    .selectFrom('experiment_phases')
    .select(['weights_bp', 'is_mixed'])
    .where('organization_id', '=', organizationId)
    .where('experiment_id', '=', id)
    .where('phase', '=', phase)
    .executeTakeFirst();
  if (known === undefined) {
    const lost = lossesOf(await groupLedger(tx, groupId, undefined));
    await tx
      .insertInto('experiment_phases')
      .values({
        ...{ experiment_id: id, phase, organization_id: organizationId },
        ...{ weights_bp: JSON.stringify(weightsBp), lost_before: JSON.stringify(lost.byGateway) },
      })
      .execute();
    return;
  }
  await tx
    .updateTable('experiment_phases')
    .set({
      weights_bp: JSON.stringify(weightsBp),
      is_mixed: known.is_mixed || !haveSameRatio(known.weights_bp, weightsBp),
    })
    .where('organization_id', '=', organizationId)
    .where('experiment_id', '=', id)
    .where('phase', '=', phase)
    .execute();
}

/** Whether both lists of whole numbers are multiples of one another. */
export function haveSameRatio(a: readonly number[], b: readonly number[]): boolean {
  const [sumA, sumB] = [a, b].map((list) => list.reduce((sum, value) => sum + value, 0)) as [number, number];
  return a.length === b.length && a.every((value, index) => value * sumB === b[index]! * sumA);
}

/** The phases of an experiment that have begun, in order. */
export function listPhases(tx: Tx, organizationId: string, experimentId: string): Promise<PhaseRow[]> {
  return tx
    .selectFrom('experiment_phases')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('experiment_id', '=', experimentId)
    .orderBy('phase')
    .execute();
}

/** A group's ledger by gateway; of those that ran after `since`. */
export function groupLedger(tx: Tx, groupId: string, since: Date | undefined): Promise<LedgerRow[]> {
  return listLedger(tx, {
    ...{ groupIds: [groupId], gatewayId: undefined, since, until: undefined, after: undefined },
    limit: MAX_GATEWAYS,
  });
}

/** What a ledger says of inferences that are not in the store. */
export interface Losses {
  /** Those that will never be, of each gateway that has some. */
  readonly byGateway: Readonly<Record<string, number>>;
  /** Those that may still come. */
  readonly underWay: number;
}

/** A gap counts as lost, and so does everything that was dropped, for whatever reason. */
export function lossesOf(rows: readonly LedgerRow[]): Losses {
  const byGateway: Record<string, number> = {};
  let underWay = 0;
  for (const row of rows) {
    const state = ledgerStateOf(row.gateway);
    const { gateway } = row;
    const settled = state !== 'live' && gateway !== null && gateway.spools > 0 && row.finishedSpools >= gateway.spools;
    const ledger = balanceLedger(row.reported, row.held, state, settled);
    const lost = Math.max(0, ledger.missing) + sumOf(ledger.dropped);
    if (lost > 0) byGateway[row.gatewayId] = lost;
    if (ledger.balance !== 'gap') underWay += ledger.spooled + ledger.inFlight;
  }
  return { byGateway, underWay };
}
