import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { hasEnded } from '#core/rollout/state.ts';
import { rulesOf } from '#core/rollout/strategies/rules.ts';
import { isAssigned } from '#core/weights.ts';
import { variantsOf } from '#store/groups.ts';
import type { Tx } from '#store/pool.ts';
import { activeFreezes, type RolloutFacts, rolloutFacts } from '#store/rollout-facts.ts';
import type { WebhookRow } from '#store/rollout-webhooks.ts';
import { type FreezeRow, type RolloutRow, runningRollouts, type TransitionRow } from '#store/rollouts.ts';
import { possibleOrders } from './possible.ts';
import type { DeliveryView, RolloutView, TransitionView } from './rollout-schemas.ts';
import { waitsFor } from './waits-for.ts';
import { watchNotes } from './watch-notes.ts';

/** Rollouts as answers show them, never with their secret. */
export async function rolloutViews(
  tx: Tx,
  organizationId: string,
  rows: readonly RolloutRow[],
  nowMs: number,
): Promise<RolloutView[]> {
  if (rows.length === 0) return [];
  const facts = await rolloutFacts(
    tx,
    organizationId,
    rows.map(({ id }) => id),
  );
  const groupIds = [...new Set(rows.map((row) => row.group_id))];
  const variants = await variantsOf(tx, organizationId, groupIds);
  const freezes = await activeFreezes(tx, organizationId, new Date(nowMs));
  const running = rows.some(({ state }) => state === 'draft') ? await runningRollouts(tx, organizationId) : [];
  return rows.map((row) => {
    const assigned = (variants.get(row.group_id) ?? []).filter(({ role }) => isAssigned(role));
    const weights = Object.fromEntries(assigned.map(({ model, weight_bp }) => [model, weight_bp]));
    const freeze = freezes.find(({ group_id }) => group_id === null || group_id === row.group_id);
    const behind = running.find(({ group_id }) => group_id === row.group_id)?.name;
    return viewOf(row, { facts: facts.get(row.id)!, weights, freeze, behind, nowMs });
  });
}

/** One rollout as answers show it. */
export async function rolloutView(tx: Tx, row: RolloutRow, nowMs: number): Promise<RolloutView> {
  const [view] = await rolloutViews(tx, row.organization_id, [row], nowMs);
  return view!;
}

interface Around {
  readonly facts: RolloutFacts;
  readonly weights: Readonly<Record<string, number>>;
  readonly freeze: FreezeRow | undefined;
  /** The rollout that is under way in the group of a draft. */
  readonly behind: string | undefined;
  readonly nowMs: number;
}

function viewOf(row: RolloutRow, { facts, weights, freeze, behind, nowMs }: Around): RolloutView {
  const { state, plan } = row;
  const memory = rolloutMemorySchema.parse(row.memory);
  const { stages } = rulesOf(plan.strategy);
  const stage = state === 'ramping' ? stages[memory.stage] : undefined;
  const primary = row.definition.primary?.metric ?? null;
  const guardrails = row.definition.guardrails.map(({ metric }) => metric);
  const frozen = freeze === undefined ? null : { endsAt: freeze.ends_at, reason: freeze.reason };
  // What has ended keeps its memory, a pause too, but is in neither.
  const pause = hasEnded(state) ? null : memory.pause;
  const beganAt = memory.sinceMs === 0 ? row.created_at : new Date(memory.sinceMs);
  const isWithoutChampion = !plan.dryRun && weights[row.arms[0]!.model] === 0;
  return {
    id: row.id,
    name: row.name,
    group: facts.group,
    state,
    paused: pause === null ? null : { since: iso(pause.sinceMs), cause: pause.cause, reason: pause.reason },
    champion: row.arms[0]!.model,
    challengers: row.arms.slice(1).map(({ model }) => model),
    removed: memory.removed.map((arm) => row.arms[arm]!.model),
    phase: row.phase,
    step: stage === undefined ? null : { number: memory.stage + 1, of: stages.length, weightBp: stage.weightBp },
    since: (row.ended_at ?? beganAt).toISOString(),
    weights,
    waitsFor: waitsFor({
      ...{ state, plan, memory, primary, guardrails },
      ...{ gates: facts.gates, freeze: frozen, behind, isWithoutChampion },
    }),
    notes: watchNotes(row),
    nextLookAt: nextLookAt(row, facts.lastLookAt, nowMs),
    possible: possibleOrders(state, memory, plan),
    reason: row.reason,
    experiment: row.definition,
    plan,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}

/** A pause stops no looks: harm sends a challenger back from it too. */
function nextLookAt({ state, plan, started_at }: RolloutRow, lastLookAt: Date | null, nowMs: number): string | null {
  if (started_at === null || hasEnded(state)) return null;
  return iso(Math.max(nowMs, lastLookAt === null ? 0 : lastLookAt.getTime() + plan.intervalMs));
}

export function transitionView(row: TransitionRow): TransitionView {
  return {
    id: row.id,
    at: row.at.toISOString(),
    event: row.event,
    from: row.from_state,
    to: row.to_state,
    reason: row.reason,
    actor: row.actor,
    weights: row.weights,
    phase: row.phase,
    configVersion: row.config_version,
  };
}

export function deliveryView(row: WebhookRow): DeliveryView {
  return {
    id: row.id,
    hook: row.hook,
    gate: row.gate,
    state: row.state,
    attempts: row.attempts,
    nextAt: row.state === 'pending' ? row.next_at.toISOString() : null,
    detail: row.detail,
    payload: row.payload,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

function iso(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
