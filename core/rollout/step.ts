import type { Look } from '../experiments/look.ts';
import type { GateRequest } from './gates.ts';
import type { RolloutMemory } from './memory.ts';
import type { RolloutPlan } from './plan.ts';
import type { RolloutState } from './state.ts';

/** What happens to a rollout. The audit log has it as `rollout.<event>`. */
export const ROLLOUT_EVENTS = [
  'request_start',
  'start',
  'step',
  'hold',
  'decide',
  'reconsider',
  'promote',
  'rollback',
  'end',
  'abort',
  'pause',
  'resume',
  'skip',
  'approve',
  'reject',
  'ask',
  'remove',
  'warn',
  'missing',
  'found',
  'new_phase',
] as const;
export type RolloutEvent = (typeof ROLLOUT_EVENTS)[number];

/** What people can order. `promote` names a challenger where there are several. */
export const COMMANDS = [
  'start',
  'pause',
  'resume',
  'skip',
  'approve',
  'reject',
  'abort',
  'promote',
  'rollback',
] as const;
export type CommandKind = (typeof COMMANDS)[number];

export interface Command {
  readonly kind: CommandKind;
  /** Why, in the person's words. */
  readonly reason?: string | undefined;
  /** Of `promote`: the challenger's model. */
  readonly model?: string | undefined;
}

/** A rollout as the machine sees it. */
export interface MachineRollout {
  readonly state: RolloutState;
  readonly plan: RolloutPlan;
  /** Of its definition. */
  readonly hasPrimary: boolean;
  readonly guardrails: readonly string[];
  /** Whether starting it needs more than a moment. */
  readonly preparesAtLength: boolean;
  /** Names of the models: the champion, then the challengers. */
  readonly arms: readonly string[];
  readonly memory: RolloutMemory;
}

/** Mirrored calls of one challenger so far of which it is known whether either side failed, and how much more often its own did. */
export interface ShadowPairs {
  readonly pairs: number;
  /** Distinct units of these pairs: what is judged, since the calls of one unit fail together. */
  readonly units: number;
  /** Of each unit the share of its pairs in which the challenger failed less that in which the champion did; the sum over the units. */
  readonly excess: number;
  /** The same of the first pair of each unit alone, which later ones do not change; one that began before it and is compared after it does. */
  readonly firstExcess: number;
}

export interface GateAnswer {
  readonly state: 'pending' | 'approved' | 'denied' | 'failed';
  readonly detail: string;
}

/** What is known when a step is chosen. */
export interface MachineFacts {
  /** The latest one; null: nobody has looked yet, or looking fails. */
  readonly look: Look | null;
  /** Why nobody can look, again and again; null or left out: one can. Then nothing follows but a hold and a pause. */
  readonly failure?: string | null;
  readonly gates: ReadonlyMap<string, GateAnswer>;
  /** Why nothing goes forward now; null: it may. */
  readonly freeze: string | null;
  /** By arm, in the shadow stage; the champion has none. */
  readonly pairs: readonly (ShadowPairs | null)[];
}

/** What a step does to the split. */
export type Move =
  | { readonly kind: 'none' }
  /** The challengers get copies of the champion's traffic. */
  | { readonly kind: 'shadow'; readonly sampleBp: number }
  | { readonly kind: 'weights'; readonly weightsBp: readonly number[] }
  /** The variants from before the start, bucket by bucket. */
  | { readonly kind: 'restore' }
  | { readonly kind: 'promote'; readonly arm: number };

/** One transition: what happens, why, and what it leaves behind. */
export interface Step {
  readonly event: RolloutEvent;
  readonly from: RolloutState;
  readonly to: RolloutState;
  readonly reason: string;
  readonly move: Move;
  /** What the move makes of the arms, by model; null: nothing is moved, or they go back to what they were. */
  readonly weights: Readonly<Record<string, number>> | null;
  readonly memory: RolloutMemory;
  /** Webhooks to call. */
  readonly gates: readonly GateRequest[];
  readonly ends: boolean;
  /** Whether what is counted from here on must not be added to what was counted before, whatever the buckets say. */
  readonly startsPhase: boolean;
}
