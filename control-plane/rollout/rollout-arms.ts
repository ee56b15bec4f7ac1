import type { ExperimentDefinition } from '#core/experiments/definition.ts';
import type { RolloutPlan } from '#core/rollout/plan.ts';
import type { AddressPolicy } from '#core/upstream-address.ts';
import { isAssigned } from '#core/weights.ts';
import type { RolloutArm } from '#store/experiment-tables.ts';
import type { GroupRow, VariantRow } from '#store/groups.ts';
import { findModel } from '#store/models.ts';
import type { Tx } from '#store/pool.ts';
import { variantsOfOne } from '../groups/groups.ts';
import { type Issue, refuseIssues } from '../problem.ts';
import { checkExperiment } from './experiment-checks.ts';
import { checkPlan } from './plan-checks.ts';

/** What a rollout is to do, as it was asked for. */
export interface WantedRollout {
  /** Names or ids of models. */
  readonly challengers: readonly string[];
  readonly experiment: ExperimentDefinition;
  readonly plan: RolloutPlan;
}

/**
 * Checks a rollout against its group as it is now, and finds its models.
 * @returns the champion and then the challengers
 * @throws Problem `invalid` with everything that is wrong
 */
export async function resolveArms(
  tx: Tx,
  group: GroupRow,
  { challengers, experiment, plan }: WantedRollout,
  policy: AddressPolicy,
): Promise<RolloutArm[]> {
  const variants = await variantsOfOne(tx, group);
  const champion = variants.find(({ role }) => role === 'champion');
  const issues: Issue[] = [];
  if (champion === undefined) {
    issues.push({ field: 'group', message: `"${group.name}" has no champion yet; give it variants first` });
  }
  const arms: RolloutArm[] = [];
  for (const [index, ref] of challengers.entries()) {
    const model = await findModel(tx, group.organization_id, ref, 'share');
    const fault =
      model === undefined ? `there is no model "${ref}"` : challengerFault(model.id, model.name, variants, arms);
    if (fault !== undefined) issues.push({ field: `challengers[${index}]`, message: fault });
    if (model !== undefined) arms.push({ modelId: model.id, model: model.name });
  }
  issues.push(...bystanders(variants, arms));
  issues.push(...checkExperiment(experiment, plan.strategy), ...checkPlan(plan, challengers.length, policy));
  refuseIssues(issues);
  return [{ modelId: champion!.model_id, model: champion!.model }, ...arms];
}

function challengerFault(
  modelId: string,
  model: string,
  variants: readonly VariantRow[],
  before: readonly RolloutArm[],
): string | undefined {
  if (before.some((arm) => arm.modelId === modelId)) return `names "${model}" a second time; list each model once`;
  const role = variants.find((variant) => variant.model_id === modelId)?.role;
  if (role === 'champion') return `"${model}" is the champion; name a model to hold against it`;
  if (role === undefined || isAssigned(role)) return undefined;
  return `"${model}" is a ${role} of the group; make it a challenger first (PUT /groups/{name}/variants)`;
}

/** A challenger that the rollout does not move would keep its share, which no step has counted with. */
function bystanders(variants: readonly VariantRow[], arms: readonly RolloutArm[]): Issue[] {
  const named = new Set(arms.map(({ modelId }) => modelId));
  return variants
    .filter(({ role, weight_bp, model_id }) => role === 'challenger' && weight_bp > 0 && !named.has(model_id))
    .map(({ model, weight_bp }) => ({
      field: 'challengers',
      message: `the group's challenger "${model}" has ${weight_bp} basis points and is not named; name it too, or give its weight back first`,
    }));
}
