import { type BucketRange, type Holding, moveRanges } from '#core/split/ranges.ts';
import { checkVariants, isAssigned, type Role } from '#core/weights.ts';
import type { WeightVersionVariant } from '#store/database.ts';
import { type GroupRow, insertWeightVersion, replaceVariants, updateGroup, type VariantRow } from '#store/groups.ts';
import { findModel } from '#store/models.ts';
import type { Tx } from '#store/pool.ts';
import type { ChangeCall } from '../http/operation.ts';
import { requireMatch } from '../http/preconditions.ts';
import { type Issue, refuseIssues } from '../problem.ts';
import type { Change } from '../publish/change.ts';
import { updated } from '../publish/outcome.ts';
import type { GroupView, Variants, Weights } from './group-schemas.ts';
import { groupView, requireGroup, variantsOfOne } from './groups.ts';
import { refuseWhileRollout } from './running-rollout.ts';

/** A variant that a change wants, its model found. */
export interface WantedVariant {
  readonly modelId: string;
  readonly model: string;
  readonly role: Role;
  readonly weightBp: number;
  /** The buckets it shall own, where they are not to follow from the weights. */
  readonly ranges?: readonly BucketRange[];
}

/** Replaces a group's variants. */
export async function replaceGroupVariants(
  tx: Tx,
  { organizationId, ref, body, ifMatch }: ChangeCall<Variants>,
): Promise<Change> {
  const group = await requireGroup(tx, organizationId, ref, 'update');
  requireMatch(ifMatch, group.version);
  const issues: Issue[] = [];
  const wanted: WantedVariant[] = [];
  for (const [index, { model: modelRef, role, weightBp }] of body.entries()) {
    const model = await findModel(tx, organizationId, modelRef, 'share');
    const at = `variants[${index}]`;
    if (model === undefined) issues.push({ field: `${at}.model`, message: `there is no model "${modelRef}"` });
    if (weightBp === undefined && isAssigned(role)) {
      issues.push({ field: `${at}.weightBp`, message: `is required for a ${role}` });
    }
    wanted.push({ modelId: model?.id ?? '', model: model?.name ?? modelRef, role, weightBp: weightBp ?? 0 });
  }
  refuseIssues(issues);
  refuseIssues(checkVariants(wanted));
  return changeByHand(tx, group, wanted, 'group.variants.replace');
}

/** Changes the weights of some of a group's variants. */
export async function changeGroupWeights(
  tx: Tx,
  { organizationId, ref, body, ifMatch }: ChangeCall<Weights>,
): Promise<Change> {
  const group = await requireGroup(tx, organizationId, ref, 'update');
  requireMatch(ifMatch, group.version);
  const present = await variantsOfOne(tx, group);
  const named = new Set(present.flatMap((variant) => [variant.model, variant.model_id]));
  const weights = new Map(Object.entries(body));
  const issues = [...weights.keys()]
    .filter((model) => !named.has(model))
    .map(
      (model): Issue => ({ field: `weights.${model}`, message: `the group has no variant with the model "${model}"` }),
    );
  for (const { model, model_id } of present) {
    if (model === model_id || !weights.has(model) || !weights.has(model_id)) continue;
    issues.push({ field: `weights.${model_id}`, message: `names "${model}" a second time; list each model once` });
  }
  if (weights.size === 0) issues.push({ field: 'weights', message: 'name at least one model' });
  refuseIssues(issues);
  const wanted = withWeights(present, weights);
  refuseIssues(
    checkVariants(wanted, 'weights').map(({ field, message }) => ({ field: byModel(field, wanted), message })),
  );
  return changeByHand(tx, group, wanted, 'group.weights.change');
}

/** The variants with the weights that are given, by a model's name or id; the others keep theirs. */
export function withWeights(present: readonly VariantRow[], weights: ReadonlyMap<string, number>): WantedVariant[] {
  return present.map(({ model, model_id, role, weight_bp }) => ({
    ...{ modelId: model_id, model, role },
    weightBp: weights.get(model) ?? weights.get(model_id) ?? weight_bp,
  }));
}

/** Turns `weights[1].weightBp` into `weights.<model>`, which is how the request spells it. */
function byModel(field: string, wanted: readonly WantedVariant[]): string {
  const index = /^weights\[(\d+)\]/.exec(field)?.[1];
  const model = index === undefined ? undefined : wanted[Number(index)]?.model;
  return model === undefined ? field : `weights.${model}`;
}

/** What a person changes: not while a rollout moves the same weights. */
async function changeByHand(
  tx: Tx,
  group: GroupRow,
  wanted: readonly WantedVariant[],
  action: string,
): Promise<Change> {
  await refuseWhileRollout(tx, group);
  const { before, after, afterPublish } = await changeSplit(tx, group, wanted);
  return updated('group', before, after, {}, { kind: 'snapshot', afterPublish }, action);
}

/** A split that was changed; `afterPublish` keeps it for ever under the version that it is published as. */
export interface SplitChange {
  readonly before: GroupView;
  readonly after: GroupView;
  readonly variants: readonly WeightVersionVariant[];
  /** What each model owned before. */
  readonly rangesBefore: readonly Pick<WeightVersionVariant, 'modelId' | 'ranges'>[];
  readonly afterPublish: (configVersion: number) => Promise<void>;
}

/**
 * Moves the buckets that must move, and no others, and keeps what the split was for ever. The only way in which weights move.
 * @param group locked for update
 * @param changes of the group that belong to the move
 */
export async function changeSplit(
  tx: Tx,
  group: GroupRow,
  wanted: readonly WantedVariant[],
  changes: { readonly hash_version?: number; readonly shadow?: string } = {},
): Promise<SplitChange> {
  const present = await variantsOfOne(tx, group);
  const organizationId = group.organization_id;
  const holdings = new Map(holdingsOf(present, wanted).map(({ name, ranges }) => [name, ranges]));
  const variants = wanted.map(({ modelId, model, role, weightBp, ranges }) => ({
    ...{ modelId, model, role, weightBp },
    ranges: ranges ?? holdings.get(modelId) ?? [],
  }));
  await replaceVariants(
    tx,
    organizationId,
    group.id,
    variants.map(({ modelId, role, weightBp, ranges }, position) => ({
      group_id: group.id,
      model_id: modelId,
      organization_id: organizationId,
      position,
      role,
      weight_bp: weightBp,
      ranges: JSON.stringify(ranges),
    })),
  );
  const isSame = changes.hash_version === undefined && sameSplit(present, wanted);
  const phase = isSame ? group.phase : group.phase + 1;
  const after = await updateGroup(tx, organizationId, group.id, { ...changes, phase });
  const afterPublish = (configVersion: number) =>
    insertWeightVersion(tx, {
      group_id: group.id,
      config_version: configVersion,
      organization_id: organizationId,
      salt: group.salt,
      hash_version: after.hash_version,
      phase,
      variants: JSON.stringify(variants),
    });
  return {
    before: groupView(group, present),
    after: groupView(after, await variantsOfOne(tx, after)),
    variants,
    rangesBefore: present.map(({ model_id, ranges }) => ({ modelId: model_id, ranges })),
    afterPublish,
  };
}

/** What each wanted variant would own, by model id: the buckets that must move, and no others. */
export function holdingsOf(present: readonly VariantRow[], wanted: readonly WantedVariant[]): Holding[] {
  const held = present
    .filter((variant) => isAssigned(variant.role))
    .map((variant) => ({ name: variant.model_id, ranges: variant.ranges }));
  const shares = wanted
    .filter((variant) => isAssigned(variant.role))
    .map((variant) => ({ name: variant.modelId, weightBp: variant.weightBp }));
  return moveRanges(held, shares);
}

/** Whether a change leaves every model with the role and the weight that it had. */
function sameSplit(present: readonly VariantRow[], wanted: readonly WantedVariant[]): boolean {
  const before = new Map(present.map((variant) => [variant.model_id, variant]));
  return (
    before.size === wanted.length &&
    wanted.every(({ modelId, role, weightBp }) => {
      const variant = before.get(modelId);
      return variant?.role === role && variant.weight_bp === weightBp;
    })
  );
}
