import {
  type DerivingExperiment,
  markDerived,
  takeUnderived,
  type UnderivedInference,
} from '#store/derived-metrics.ts';
import { addToUnitMetrics, type Contribution } from '#store/feedback-join.ts';
import { findPayloads } from '#store/inferences.ts';
import { type Db, inOrganization, type Tx } from '#store/pool.ts';
import { pairedRows } from '#store/shadow-pairs.ts';
import { checkForms, formOf } from './check-forms.ts';
import { answerOf } from './pair-side.ts';
import type { SchemaChecker } from './schema-checker.ts';

/** The name of the metric (core/experiments/metrics.ts). */
export const SCHEMA_VALIDITY = 'schema_validity';

export interface DeriveDeps {
  /** Of the role `application`. */
  readonly db: Db;
  readonly checker: SchemaChecker;
}

/**
 * Derives for inferences of an experiment whether their answers have the form that was asked for, and adds 1 or 0 to their units; in one
 * transaction with the mark that it is done, so that each counts once, whatever is killed when and however many work at it.
 *
 * Nothing is added for requests that asked for no form, and where nobody can say: what was not captured whole, failed, or has a schema that
 * cannot be used.
 * @returns how many were taken; fewer than asked for: no more wait
 */
export function deriveValidity(
  { db, checker }: DeriveDeps,
  experiment: DerivingExperiment,
  limit: number,
): Promise<number> {
  const { organizationId } = experiment;
  return inOrganization(db, organizationId, async (tx) => {
    const taken = await takeUnderived(tx, experiment, limit);
    const added: Contribution[] = [];
    for (const [groupId, inferences] of Map.groupBy(taken, (one) => one.groupId)) {
      const valid = await validityOf(tx, checker, organizationId, groupId, inferences);
      for (const [at, { experimentId, phase, arm, unit }] of inferences.entries()) {
        if (valid[at] === null) continue;
        const place = { experimentId, phase, arm, unit, organizationId };
        added.push({ ...place, metric: SCHEMA_VALIDITY, value: valid[at] === true ? '1' : '0' });
      }
    }
    await addToUnitMetrics(tx, added);
    await markDerived(
      tx,
      organizationId,
      taken.map(({ inferenceId }) => inferenceId),
    );
    return taken.length;
  });
}

async function validityOf(
  tx: Tx,
  checker: SchemaChecker,
  organizationId: string,
  groupId: string,
  inferences: readonly UnderivedInference[],
): Promise<(boolean | null)[]> {
  const ids = inferences.map(({ inferenceId }) => inferenceId);
  const rows = await pairedRows(tx, organizationId, groupId, ids);
  const payloads = await findPayloads(tx, organizationId, [...rows.values()]);
  const asked = ids.map((id) => {
    const row = rows.get(id);
    const form = row === undefined ? null : formOf(row, payloads.get(id));
    return { form, answer: row === undefined || form === null ? null : answerOf(row, payloads.get(id)) };
  });
  return checkForms(checker, asked);
}
