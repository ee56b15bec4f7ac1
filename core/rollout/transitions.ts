import type { GateRequest } from './gates.ts';
import { gatesFor } from './gates.ts';
import type { RolloutMemory } from './memory.ts';
import { hasEnded, type RolloutState } from './state.ts';
import type { MachineFacts, MachineRollout, Move, RolloutEvent, Step } from './step.ts';
import { rulesOf } from './strategies/rules.ts';

const RUNNING = ['shadow', 'ramping', 'holding', 'deciding'] as const satisfies RolloutState[];

interface Transition {
  readonly from: readonly RolloutState[];
  /** `same`: the state stays. */
  readonly to: readonly (RolloutState | 'same')[];
  /** What a dry run says that it would do; null: it does it. */
  readonly would: string | null;
}

/** Every transition that there is, of the engine and of people. The property test holds each step against it. */
export const TRANSITIONS: Readonly<Record<RolloutEvent, Transition>> = {
  request_start: { from: ['draft'], to: ['same'], would: null },
  start: { from: ['draft'], to: ['shadow', 'ramping'], would: null },
  step: { from: ['shadow', 'ramping'], to: ['ramping'], would: 'move weights' },
  hold: { from: ['ramping'], to: ['holding'], would: null },
  decide: { from: ['ramping', 'holding'], to: ['deciding'], would: null },
  reconsider: { from: ['deciding'], to: ['holding'], would: null },
  promote: { from: ['ramping', 'holding', 'deciding'], to: ['promoted'], would: 'promote' },
  rollback: { from: [...RUNNING], to: ['rolled_back'], would: 'roll back' },
  end: { from: ['deciding'], to: ['inconclusive'], would: 'end' },
  abort: { from: ['draft', ...RUNNING], to: ['aborted'], would: null },
  pause: { from: [...RUNNING], to: ['same'], would: null },
  resume: { from: [...RUNNING], to: ['same'], would: null },
  skip: { from: ['shadow', 'ramping', 'holding'], to: ['same'], would: null },
  approve: { from: ['draft', 'ramping', 'deciding'], to: ['same'], would: null },
  reject: { from: ['draft'], to: ['same'], would: null },
  ask: { from: ['draft', ...RUNNING], to: ['same'], would: null },
  remove: { from: [...RUNNING], to: ['same', 'holding'], would: 'take a challenger out' },
  warn: { from: ['ramping', 'holding', 'deciding'], to: ['same'], would: null },
  missing: { from: ['draft', ...RUNNING], to: ['same'], would: null },
  found: { from: [...RUNNING], to: ['same'], would: null },
  // Of neither the engine nor an order: of whoever changes what the arms are served by (control-plane/rollout/new-phase.ts).
  new_phase: { from: ['ramping', 'holding', 'deciding'], to: ['same'], would: null },
};

interface StepParts {
  readonly to?: RolloutState;
  readonly reason: string;
  readonly move?: Move;
  readonly memory?: Partial<RolloutMemory>;
  readonly gates?: readonly GateRequest[];
  readonly startsPhase?: boolean;
}

/** Makes a step of its parts: the rest of the memory stays, the end tells who wants to know, a dry run says "would". */
export function makeStep(rollout: MachineRollout, event: RolloutEvent, parts: StepParts): Step {
  const { plan, state, memory } = rollout;
  const to = parts.to ?? state;
  const move = parts.move ?? { kind: 'none' };
  const ends = hasEnded(to);
  const would = plan.dryRun ? TRANSITIONS[event].would : null;
  const notices =
    ends && !plan.dryRun
      ? [
          ...(to === 'rolled_back' ? gatesFor(plan, 'on-rollback', to, memory.gateRound) : []),
          ...gatesFor(plan, 'on-end', to, memory.gateRound),
        ]
      : [];
  return {
    event,
    from: state,
    to,
    reason: would === null ? parts.reason : `would ${would}: ${parts.reason}`,
    move,
    weights: weightsOf(rollout, move),
    memory: { ...memory, ...parts.memory },
    gates: [...(parts.gates ?? []), ...notices],
    ends,
    startsPhase: parts.startsPhase ?? false,
  };
}

/** What a move makes of the arms, by model. */
function weightsOf({ arms }: MachineRollout, move: Move): Record<string, number> | null {
  const byArm = (weightBp: (arm: number) => number) =>
    Object.fromEntries(arms.map((model, arm) => [model, weightBp(arm)]));
  switch (move.kind) {
    case 'none':
    case 'restore':
      return null;
    case 'shadow':
      return byArm((arm) => (arm === 0 ? 10_000 : 0));
    case 'weights':
      return byArm((arm) => move.weightsBp[arm] ?? 0);
    case 'promote':
      return byArm((arm) => (arm === move.arm ? 10_000 : 0));
    default:
      return move satisfies never;
  }
}

/**
 * The weights of a stage: each challenger that is still in gets the stage's, as far as there is enough for all that there were; the
 * champion the rest, that of challengers which were taken out among it.
 */
export function stageMove(rollout: MachineRollout, stage: number, removed = rollout.memory.removed): Move {
  const { stages } = rulesOf(rollout.plan.strategy);
  const wanted = stages[Math.min(stage, stages.length - 1)]?.weightBp ?? 0;
  const each = Math.min(wanted, Math.floor(10_000 / Math.max(1, rollout.arms.length - 1)));
  const given = rollout.arms.map((_, arm) => (arm === 0 || removed.includes(arm) ? 0 : each));
  const rest = given.reduce((left, weight) => left - weight, 10_000);
  return { kind: 'weights', weightsBp: given.with(0, rest) };
}

/** What is remembered anew when another state or stage begins. */
export function freshClock(nowMs: number, unitsBefore: readonly number[]): Partial<RolloutMemory> {
  return { sinceMs: nowMs, unitsBefore: [...unitsBefore], skipped: null, asked: null };
}

/** Units of each arm so far, as the latest look counts them. */
export function unitsOf({ memory }: MachineRollout, { look }: MachineFacts): readonly number[] {
  return look?.units ?? memory.unitsBefore;
}
