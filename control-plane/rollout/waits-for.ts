import { isAskedNow, webhookOfGate } from '#core/rollout/gates.ts';
import type { RolloutMemory } from '#core/rollout/memory.ts';
import { awaitsApproval, moveOf } from '#core/rollout/move-key.ts';
import type { RolloutPlan } from '#core/rollout/plan.ts';
import { stepKey } from '#core/rollout/ramp.ts';
import { hasEnded, type RolloutState } from '#core/rollout/state.ts';
import { rulesOf } from '#core/rollout/strategies/rules.ts';
import type { GateFact } from '#store/rollout-facts.ts';

/** What the sentence is made from. */
export interface Waiting {
  readonly state: RolloutState;
  readonly plan: RolloutPlan;
  readonly memory: RolloutMemory;
  /** Name of the metric that decides; null: guardrails alone. */
  readonly primary: string | null;
  /** Metrics that must not get worse. */
  readonly guardrails: readonly string[];
  readonly gates: readonly GateFact[];
  readonly freeze: { readonly endsAt: Date; readonly reason: string } | null;
  /** Of a draft: the name of the rollout that its group has under way. */
  readonly behind?: string | undefined;
  /** The champion has no weight: nothing more is found out by comparing. */
  readonly isWithoutChampion: boolean;
}

/** What has to happen before a rollout goes on, in a sentence. */
export function waitsFor(waiting: Waiting): string {
  const { state, memory, freeze, behind } = waiting;
  if (hasEnded(state)) return 'Nothing: it has ended.';
  if (memory.pause !== null) return `Somebody to resume it: it is paused (${memory.pause.reason}).`;
  if (state === 'draft' && memory.requestedAtMs === undefined) return 'Somebody to start it.';
  if (freeze !== null) return `The end of a freeze window at ${freeze.endsAt.toISOString()} (${freeze.reason}).`;
  if (state === 'draft' && behind !== undefined) return `The end of the rollout "${behind}" of the same group.`;
  return gateOf(waiting) ?? evidenceOf(waiting) ?? progressOf(waiting);
}

/** What keeps it from going on, and in time pauses it. */
function evidenceOf({ state, plan, memory }: Waiting): string | undefined {
  if (memory.missing === null) return undefined;
  const { sinceMs, metrics, failure } = memory.missing;
  const [since, until] = [sinceMs, sinceMs + plan.missingMetricHoldMs].map((ms) => new Date(ms).toISOString());
  if (state === 'draft') return `The log, which its start asks: ${failure}, since ${since}; it is tried again.`;
  const what = failure === null ? `A value of ${metrics.join(', ')}: none` : `A look that succeeds: ${failure},`;
  return `${what} since ${since}; at ${until} it pauses.`;
}

/** A question that is open. Of refusals and failures the machine makes a pause. */
function gateOf({ gates, plan, memory }: Waiting): string | undefined {
  const pending = gates.filter(({ gate, state: answer }) => answer === 'pending' && isAskedNow(gate, memory));
  if (pending.length > 0) {
    const whom = pending.map(({ gate, hook, detail }) => {
      const host = new URL(webhookOfGate(plan, gate)?.url ?? 'http://unknown').host;
      return `${hook} at ${host}${detail === '' ? '' : ` (last: ${detail})`}`;
    });
    return `The answer of the webhook ${whom.join(', and of ')}.`;
  }
  if (awaitsApproval(memory, plan)) {
    return `Somebody to approve ${moveOf(memory.asked!, plan)}.`;
  }
  return undefined;
}

const NO_MORE_EVIDENCE = ' The champion has no traffic any more to compare with: promote it, roll it back or abort it.';

/** Guardrails too: where the primary metric has long decided, an open one is what it waits for. */
function deciders({ primary, guardrails }: Waiting): string {
  if (primary === null) return 'the guardrails must decide';
  const rest = guardrails.length === 0 ? '' : `, and each guardrail pass (${guardrails.join(', ')})`;
  return `${primary} must decide${rest}`;
}

function progressOf(waiting: Waiting): string {
  const { state, plan, memory, isWithoutChampion } = waiting;
  const until = (ms: number) => new Date(memory.sinceMs + ms).toISOString();
  const rules = rulesOf(plan.strategy);
  switch (state) {
    case 'draft':
      return 'The engine to start it.';
    case 'shadow': {
      const { minPairs = 0, durationMs = 0 } = plan.shadowFirst ?? {};
      return `${minPairs} mirrored calls of each challenger, and the end of the shadow stage at ${until(durationMs)}.`;
    }
    case 'ramping': {
      const stage = rules.stages[memory.stage];
      const next = stepKey(memory.stage + 1);
      const step = `Step ${memory.stage + 1} of ${rules.stages.length}`;
      if (memory.skipped === next) return `${step}: the next look; the rest of it is skipped.`;
      const needs = [
        ...(stage === undefined || stage.durationMs === 0 ? [] : [`its end at ${until(stage.durationMs)}`]),
        ...(stage === undefined || stage.minUnits === 0 ? [] : [`${stage.minUnits} units in each challenger's arm`]),
        ...(stage?.approval === true && !memory.approved.includes(next) ? ['an approval'] : []),
      ];
      const what = needs.length === 0 ? 'the next look' : needs.join(' and ');
      return `${step}: ${what}.`;
    }
    case 'holding':
      return rules.holdMs === null
        ? `Enough evidence: ${deciders(waiting)}.${isWithoutChampion ? NO_MORE_EVIDENCE : ''}`
        : `The end of the hold at ${until(rules.holdMs)}; time promotes then, if the challenger has served.`;
    case 'deciding':
      return memory.decision === null ? 'The decision.' : `The decision to be carried out: ${memory.decision.reason}.`;
    default:
      return 'The next look.';
  }
}
