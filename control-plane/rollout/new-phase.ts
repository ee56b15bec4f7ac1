import { isDeepStrictEqual } from 'node:util';
import { hasEnded } from '#core/rollout/state.ts';
import { insertAuditEntry } from '#store/audit.ts';
import { deploymentsOf } from '#store/models.ts';
import type { Tx } from '#store/pool.ts';
import { findRollout, insertTransition, type RolloutRow, runningRollouts, updateRollout } from '#store/rollouts.ts';
import type { Effect } from '../publish/change.ts';
import { auditView } from './audit-view.ts';

/** What is about to be changed beneath rollouts that are under way. */
export interface Beneath {
  readonly kind: 'model' | 'provider' | 'group';
  readonly id: string;
}

/**
 * The rollouts whose arms are served by what is about to be changed, locked: call it before the row of that is locked, since steps of
 * rollouts lock in this order. In a shadow stage nobody is compared yet.
 */
export async function holdComparisons(tx: Tx, organizationId: string, beneath: Beneath): Promise<RolloutRow[]> {
  const running = await runningRollouts(tx, organizationId);
  const modelIds = running.flatMap(({ arms }) => arms.map(({ modelId }) => modelId));
  const deployments = beneath.kind === 'provider' ? await deploymentsOf(tx, organizationId, modelIds) : new Map();
  const isServedBy = ({ arms, group_id }: RolloutRow): boolean => {
    switch (beneath.kind) {
      case 'group':
        return group_id === beneath.id;
      case 'model':
        return arms.some(({ modelId }) => modelId === beneath.id);
      case 'provider':
        return arms.some(({ modelId }) =>
          (deployments.get(modelId) ?? []).some(
            ({ provider_id }: { readonly provider_id: string }) => provider_id === beneath.id,
          ),
        );
      default:
        return beneath.kind satisfies never;
    }
  };
  const held: RolloutRow[] = [];
  const ids = running.filter(isServedBy).map(({ id }) => id);
  for (const id of ids.sort()) {
    const row = await findRollout(tx, organizationId, id, 'update');
    if (row !== undefined && row.state !== 'shadow' && !hasEnded(row.state)) held.push(row);
  }
  return held;
}

/** The names of what differs between two descriptions of the same conditions. */
export function changedIn<Conditions extends Readonly<Record<string, unknown>>>(
  before: Conditions,
  after: Conditions,
): string[] {
  // What is not said and what is undefined are the same.
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value ?? null));
  return Object.keys(after).filter((name) => !isDeepStrictEqual(plain(before[name]), plain(after[name])));
}

interface NewPhaseCall {
  /** What was changed, in words. */
  readonly what: string;
  /** Names of what differs; none: the comparison goes on as it was. */
  readonly changed: readonly string[];
  readonly actor: string;
  readonly nowMs: number;
}

/**
 * Begins a phase in each rollout whose arms answer under other conditions from now on: what is counted after that is never added to what
 * was counted before. The story says why.
 * @param held by `holdComparisons`
 * @returns what the change that made them others has published
 */
export async function beginPhases(
  tx: Tx,
  held: readonly RolloutRow[],
  { what, changed, actor, nowMs }: NewPhaseCall,
): Promise<Effect> {
  if (changed.length === 0) return { kind: 'snapshot' };
  const begun: { readonly before: RolloutRow; readonly after: RolloutRow }[] = [];
  for (const before of held) {
    const phase = before.phase + 1;
    const reason = `phase ${phase} begins: ${what} was changed (${changed.join(', ')}), and what was counted before is not pooled with what comes`;
    begun.push({ before, after: await updateRollout(tx, before, { phase, reason }) });
  }
  const afterPublish = async (configVersion: number) => {
    for (const { before, after } of begun) await tell(tx, { before, after, actor, nowMs, configVersion });
  };
  return { kind: 'snapshot', afterPublish };
}

interface Begun {
  readonly before: RolloutRow;
  readonly after: RolloutRow;
  readonly actor: string;
  readonly nowMs: number;
  readonly configVersion: number;
}

async function tell(tx: Tx, { before, after, actor, nowMs, configVersion }: Begun): Promise<void> {
  const { id, organization_id: organizationId, state, phase, reason } = after;
  await insertTransition(tx, {
    ...{ rollout_id: id, organization_id: organizationId, at: new Date(nowMs), actor },
    ...{ from_state: state, to_state: state, event: 'new_phase', reason, weights: null },
    ...{ phase, config_version: configVersion },
  });
  await insertAuditEntry(tx, {
    ...{ organizationId, actor, action: 'rollout.new_phase', resource: `rollouts/${id}` },
    ...{ before: auditView(before), after: auditView(after), configVersion, requestId: `rollout:${id}` },
  });
}
