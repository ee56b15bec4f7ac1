import { durationFigure, figure } from '#core/experiments/figures.ts';
import { firstStageAlone } from '#core/rollout/alone.ts';
import { rulesOf } from '#core/rollout/strategies/rules.ts';
import type { RolloutRow } from '#store/rollouts.ts';

type Watched = Pick<RolloutRow, 'plan' | 'definition' | 'arms' | 'ingest' | 'started_at'>;

/**
 * What cannot be judged under a rollout's strategy, and what watches instead, in sentences; empty: everything that its definition asks
 * for is judged.
 */
export function watchNotes(rollout: Watched): string[] {
  if (rollout.plan.dryRun) return [DRY_RUN];
  const alone = firstStageAlone(rollout.plan, rollout.arms.length - 1);
  return alone === null ? [] : [...judgedNote(rollout, alone), guardNote(rollout)];
}

const DRY_RUN =
  'In a dry run no weight is moved: challengers are judged by the traffic that they have already, and where they have none nothing is measured of them.';

function judgedNote({ plan, definition }: Watched, alone: number): string[] {
  const { strategy } = plan;
  const { compares, stages } = rulesOf(strategy);
  const judged = [
    ...(definition.primary === null ? [] : ['the primary metric']),
    ...(definition.guardrails.length === 0 ? [] : ['guardrails']),
  ].join(' and ');
  if (!compares) {
    const what = judged === '' ? '' : `${judged} cannot be judged: `;
    return [`Under "${strategy.kind}" ${what}no champion serves beside the challenger. Time promotes.`];
  }
  const rests = judged === '' ? '' : `, so that ${judged} rest on the steps before`;
  const steps = alone + 1 === stages.length ? `step ${alone + 1}` : `steps ${alone + 1} to ${stages.length}`;
  return [`In ${steps} of ${stages.length} the champion has less than a tenth of what is compared${rests}.`];
}

function guardNote({ plan, definition, ingest, started_at: startedAt }: Watched): string {
  if (definition.fastGuard === null) return 'Nothing watches for failures then: the fast guard is off.';
  const what = "The fast guard then holds failing units against the champion's share of them before the start";
  if (startedAt === null) return `${what}, which is measured at the start.`;
  const history = ingest.championHistory ?? null;
  if (history === null) {
    const policy = plan.onUnguarded === 'pause' ? 'it pauses' : 'it goes on';
    return `There is no fast guard then: nothing is known of the champion's failures before the start; ${policy} (onUnguarded).`;
  }
  const { failingUnits, units, windowMs } = history;
  return `${what}: ${figure(failingUnits)} of ${figure(units)} in ${durationFigure(windowMs)}.`;
}
