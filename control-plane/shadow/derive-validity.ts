import type { CapturedInferences, InTransaction } from '#store/captured-inferences.ts';
import {
  type Derivation,
  type DerivingExperiment,
  markDerived,
  postponeDeriving,
  takeUnderived,
  type UnderivedInference,
} from '#store/derived-metrics.ts';
import { addToUnitMetrics, type Contribution } from '#store/feedback-join.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import { type Db, inOrganization } from '#store/pool.ts';
import { checkForms, formOf } from './check-forms.ts';
import { answerOf } from './pair-side.ts';
import type { SchemaChecker } from './schema-checker.ts';
import { isGivenUp, lackOf } from './waiting.ts';

/** The name of the metric (core/experiments/metrics.ts). */
export const SCHEMA_VALIDITY = 'schema_validity';

export interface DeriveDeps {
  /** Of the role `application`. */
  readonly db: Db;
  readonly captured: CapturedInferences;
  readonly checker: SchemaChecker;
}

/** What one batch came to. */
export interface DerivedBatch {
  /** Fewer than asked for: no more are due. */
  readonly taken: number;
  /** Inferences that add nothing since the log lacks them, or the bodies that were kept of them, after a day. */
  readonly givenUp: number;
  /** The log refused to give what it has of some; more are not asked for at once. */
  readonly isRefused: boolean;
}

/** What was found for an inference. `valid`: null where there is nothing to say. */
type Verdict =
  | { readonly kind: 'said'; readonly valid: boolean | null }
  | { readonly kind: 'given_up' | 'waits' | 'refused'; readonly detail: string };

/**
 * Derives for inferences of an experiment whether their answers have the form that was asked for, and adds 1 or 0 to their units; in one
 * transaction with the mark that it is done, so that each counts once, whatever is killed when and however many work at it.
 *
 *   due ──it is in the log──▶ derived: 1, 0, or nothing where no form was asked for or nobody can say (cut, failed, a schema of no use)
 *    ├────something is missing, or the log refuses to be read──▶ looked at again after as long as it has waited
 *    └────something is missing, after a day──▶ derived: nothing, with the reason
 *
 * @throws LogUnavailableError when the log cannot be reached: the inferences are due as before
 */
export function deriveValidity(
  { db, captured, checker }: DeriveDeps,
  experiment: DerivingExperiment,
  limit: number,
): Promise<DerivedBatch> {
  const { organizationId } = experiment;
  return inOrganization(db, organizationId, async (tx) => {
    const taken = await takeUnderived(tx, experiment, limit);
    const added: Contribution[] = [];
    const derived: Derivation[] = [];
    const waiting: Derivation[] = [];
    let [givenUp, isRefused] = [0, false];
    for (const [groupId, inferences] of Map.groupBy(taken, (one) => one.groupId)) {
      const verdicts = await verdictsOn({ captured, checker }, (work) => work(tx), organizationId, groupId, inferences);
      for (const [at, { inferenceId, experimentId, phase, arm, unit }] of inferences.entries()) {
        const verdict = verdicts[at]!;
        const detail = verdict.kind === 'said' ? '' : verdict.detail;
        if (verdict.kind === 'given_up') givenUp++;
        if (verdict.kind === 'refused') isRefused = true;
        const isSettled = verdict.kind === 'said' || verdict.kind === 'given_up';
        (isSettled ? derived : waiting).push({ inferenceId, detail });
        if (verdict.kind !== 'said' || verdict.valid === null) continue;
        const place = { experimentId, phase, arm, unit, organizationId };
        added.push({ ...place, metric: SCHEMA_VALIDITY, value: verdict.valid ? '1' : '0' });
      }
    }
    await addToUnitMetrics(tx, added);
    await markDerived(tx, organizationId, derived);
    await postponeDeriving(tx, organizationId, waiting);
    return { taken: taken.length, givenUp, isRefused };
  });
}

async function verdictsOn(
  { captured, checker }: Pick<DeriveDeps, 'captured' | 'checker'>,
  inTransaction: InTransaction,
  organizationId: string,
  groupId: string,
  inferences: readonly UnderivedInference[],
): Promise<Verdict[]> {
  const ids = inferences.map(({ inferenceId }) => inferenceId);
  let found: Awaited<ReturnType<CapturedInferences['find']>>;
  try {
    found = await captured.find(inTransaction, { organizationId, groupId, ids });
  } catch (error) {
    if (!(error instanceof LogUnavailableError && error.isRefusal)) throw error;
    return inferences.map(() => ({ kind: 'refused', detail: error.message }));
  }
  const valid = await checkForms(
    checker,
    ids.map((id) => {
      const one = found.get(id);
      const form = one === undefined ? null : formOf(one.row, one.payload);
      return { form, answer: one === undefined || form === null ? null : answerOf(one.row, one.payload) };
    }),
  );
  return inferences.map((inference, at) => {
    const lack = lackOf(found.get(inference.inferenceId));
    if (lack === null) return { kind: 'said', valid: valid[at]! };
    const what = lack === 'row' ? 'its row is' : 'its bodies are';
    return isGivenUp(inference)
      ? { kind: 'given_up', detail: `${what} not in the log after a day: never brought, or removed` }
      : { kind: 'waits', detail: `${what} not there yet` };
  });
}
