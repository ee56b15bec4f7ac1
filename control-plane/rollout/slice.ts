import { controlSlice } from '#core/rollout/control-slice.ts';
import type { Step } from '#core/rollout/step.ts';
import { rulesOf } from '#core/rollout/strategies/rules.ts';
import type { BucketRange } from '#core/split/ranges.ts';
import type { GroupRow } from '#store/groups.ts';
import type { Tx } from '#store/pool.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import { variantsOfOne } from '../groups/groups.ts';
import type { SplitChange } from '../groups/split.ts';

interface SliceCall {
  readonly rollout: RolloutRow;
  readonly group: GroupRow;
  readonly step: Step;
  /** Undefined: nothing was moved. */
  readonly split: SplitChange | undefined;
}

/** The champion's buckets that count after a step, and the phase. */
export async function sliceOf(
  tx: Tx,
  { rollout, group, step, split }: SliceCall,
): Promise<{ readonly control?: string; readonly phase?: number }> {
  if (step.ends) return {};
  // While all traffic is the champion's and only copied, nobody is compared.
  if (step.move.kind === 'shadow') return { control: '[]' };
  const { arms, plan, phase } = rollout;
  const present = (await variantsOfOne(tx, group)).map(({ model_id, ranges }) => ({ modelId: model_id, ranges }));
  const rangesOf = (variants: readonly { readonly modelId: string; readonly ranges: readonly BucketRange[] }[]) =>
    arms.map(({ modelId }) => variants.find((variant) => variant.modelId === modelId)?.ranges ?? []);
  const [champion = [], ...challengers] = rangesOf(split?.variants ?? present);
  const isFirst = step.event === 'start';
  const isNew = isFirst || step.startsPhase || split === undefined;
  const slice = controlSlice({
    // What a dry run finds was not chosen by it: all that is there is compared.
    mode: plan.dryRun ? 'all' : rulesOf(plan.strategy).control,
    previous: isNew ? null : { control: rollout.control, challengers: rangesOf(split.rangesBefore).slice(1) },
    champion,
    challengers,
  });
  return {
    control: JSON.stringify(slice.ranges),
    phase: isFirst || slice.continues ? phase : phase + 1,
  };
}
