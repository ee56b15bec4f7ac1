import type { SnapshotGroup } from '#core/snapshot/schema.ts';
import type { ShadowPolicy } from '#core/snapshot/shadow-policy.ts';
import type { ExperimentPlace } from '#inference-log/record.ts';
import type { BoundVariant } from '../snapshot/bind.ts';

/** What a group mirrors, decided when its snapshot is compiled. */
export interface BoundMirror {
  readonly policy: ShadowPolicy;
  /** At least one. */
  readonly shadows: readonly BoundShadow[];
}

export interface BoundShadow {
  readonly variant: BoundVariant;
  /** Where its calls count: it is an arm of the experiment that runs; null: in none. */
  readonly experiment: ExperimentPlace | null;
}

/** The shadows of a group with what may be spent on them; null where there are none, or none of the traffic is mirrored. */
export function bindMirror(
  { shadow: policy, experiment }: SnapshotGroup,
  variants: readonly BoundVariant[],
): BoundMirror | null {
  const bound = variants.filter(({ variant }) => variant.role === 'shadow');
  if (bound.length === 0 || policy.sampleBp === 0) return null;
  const shadows = bound.map((variant): BoundShadow => {
    const arm = experiment?.arms.findIndex(({ modelId }) => modelId === variant.variant.model.id) ?? -1;
    return { variant, experiment: arm === -1 ? null : { id: experiment!.id, phase: experiment!.phase, arm } };
  });
  return { policy, shadows };
}
