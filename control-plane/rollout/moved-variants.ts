import type { RolloutMemory } from '#core/rollout/memory.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import type { Step } from '#core/rollout/step.ts';
import type { WeightVersionVariant } from '#store/database.ts';
import type { GroupRow, VariantRow } from '#store/groups.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import type { WantedVariant } from '../groups/split.ts';

/** What a step makes of a group. */
export interface MovedSplit {
  readonly wanted: readonly WantedVariant[];
  /** The group's policy of mirroring; undefined: as it is. */
  readonly shadow: object | undefined;
  readonly memory: Pick<RolloutMemory, 'shadowBefore'> | undefined;
}

/** The variants that a group shall have after a step. Those that are no arm of the rollout stay as they are. */
export function movedVariants(
  rollout: RolloutRow,
  group: GroupRow,
  present: readonly VariantRow[],
  { move }: Step,
): MovedSplit {
  const { arms, before } = rollout;
  const { shadowBefore } = rolloutMemorySchema.parse(rollout.memory);
  // The share alone is the rollout's: bounds that were changed meanwhile stay.
  const shadow = shadowBefore === undefined ? undefined : { ...group.shadow, sampleBp: shadowBefore['sampleBp'] };
  const mirrorsNo = { shadow, memory: { shadowBefore: undefined } };
  switch (move.kind) {
    case 'none':
      return { wanted: present.map(asWanted), shadow: undefined, memory: undefined };
    case 'shadow':
      return {
        wanted: arrange(rollout, present, (arm) =>
          arm === 0 ? { role: 'champion', weightBp: 10_000 } : { role: 'shadow', weightBp: 0 },
        ),
        shadow: { ...group.shadow, sampleBp: move.sampleBp },
        memory: { shadowBefore: { ...group.shadow } },
      };
    case 'weights':
      return {
        wanted: arrange(rollout, present, (arm) => ({
          role: arm === 0 ? 'champion' : 'challenger',
          weightBp: move.weightsBp[arm] ?? 0,
        })),
        ...mirrorsNo,
      };
    case 'promote':
      return {
        wanted: arrange(rollout, present, (arm) =>
          arm === move.arm ? { role: 'champion', weightBp: 10_000 } : { role: 'challenger', weightBp: 0 },
        ),
        ...mirrorsNo,
      };
    case 'restore':
      if (before === null)
        throw new Error(`rollout ${rollout.id} of ${arms[0]?.model} has moved nothing to bring back`);
      return { wanted: before.map(asBefore), ...mirrorsNo };
    default:
      return move satisfies never;
  }
}

/** Gives each arm its place, behind the variants that are there if it is new. */
function arrange(
  { arms }: RolloutRow,
  present: readonly VariantRow[],
  placeOf: (arm: number) => Pick<WantedVariant, 'role' | 'weightBp'>,
): WantedVariant[] {
  const kept = present.map((variant) => {
    const arm = arms.findIndex(({ modelId }) => modelId === variant.model_id);
    return arm === -1 ? asWanted(variant) : { ...asWanted(variant), ...placeOf(arm) };
  });
  const added = arms.flatMap(({ modelId, model }, arm) =>
    present.some((variant) => variant.model_id === modelId) ? [] : [{ modelId, model, ...placeOf(arm) }],
  );
  return [...kept, ...added];
}

function asWanted({ model_id, model, role, weight_bp }: VariantRow): WantedVariant {
  return { modelId: model_id, model, role, weightBp: weight_bp };
}

/** Bucket by bucket: the way back is exact whatever has been moved since. */
function asBefore({ modelId, model, role, weightBp, ranges }: WeightVersionVariant): WantedVariant {
  return { modelId, model, role, weightBp, ranges };
}
