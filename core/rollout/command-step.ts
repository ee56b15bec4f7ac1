import { RESTORE } from './back.ts';
import { promoteStep, promotionClearance } from './carry-out.ts';
import { blockedBy, lackOf, pauseStep } from './caution.ts';
import { decideStep, HOLD_KEY } from './decide.ts';
import { activeArms, judge } from './judge.ts';
import type { RolloutMemory } from './memory.ts';
import { awaitsApproval, moveOf } from './move-key.ts';
import { stepKey } from './ramp.ts';
import { refuseStart, startClearance, startStep } from './start.ts';
import { hasEnded } from './state.ts';
import type { Command, MachineFacts, MachineRollout, Step } from './step.ts';
import { rulesOf } from './strategies/rules.ts';
import { makeStep, TRANSITIONS } from './transitions.ts';

/** What comes of a person's command: a step of the same table as the engine's, or why there is none and what to do instead. */
export type CommandResult =
  | { readonly kind: 'step'; readonly step: Step }
  | { readonly kind: 'refused'; readonly why: string };

/** Answers a command. Pure and total, like `nextStep`. */
export function commandStep(
  rollout: MachineRollout,
  facts: MachineFacts,
  command: Command,
  nowMs: number,
): CommandResult {
  const { state, memory } = rollout;
  const { kind } = command;
  if (hasEnded(state)) return refused(`it has ended (${state}); start a new rollout`);
  // A rejection in a later state is a pause or a way back, so that its own transition is the draft's alone.
  if (kind !== 'reject' && !TRANSITIONS[kind].from.includes(state)) {
    return refused(`it is ${state}; ${kind} is for ${TRANSITIONS[kind].from.join(', ')}`);
  }
  const reason = command.reason ?? `${kind} was ordered`;
  switch (kind) {
    case 'start':
      return start(rollout, facts, reason, nowMs);
    case 'pause':
      if (memory.pause !== null) return refused(`it is paused already: ${memory.pause.reason}`);
      return step(pauseStep(rollout, 'person', reason, nowMs));
    case 'resume':
      return resume(rollout, reason, nowMs);
    case 'skip':
      return skip(rollout, facts, reason);
    case 'approve':
      return approve(rollout, reason);
    case 'reject':
      return reject(rollout, reason, nowMs);
    case 'abort':
      return step(
        makeStep(rollout, 'abort', { to: 'aborted', reason, ...(state === 'draft' ? {} : { move: RESTORE }) }),
      );
    case 'rollback':
      return step(makeStep(rollout, 'rollback', { to: 'rolled_back', reason, move: RESTORE }));
    case 'promote':
      return promote(rollout, facts, command, reason, nowMs);
    default:
      return kind satisfies never;
  }
}

function step(made: Step): CommandResult {
  return { kind: 'step', step: made };
}

function refused(why: string): CommandResult {
  return { kind: 'refused', why };
}

function start(rollout: MachineRollout, facts: MachineFacts, reason: string, nowMs: number): CommandResult {
  const { memory, preparesAtLength } = rollout;
  if (memory.requestedAtMs !== undefined)
    return refused('its start was asked for already; approve, reject or abort it');
  if (facts.freeze !== null) return refused(facts.freeze);
  const clearance = startClearance(rollout, facts);
  if (clearance.kind === 'clear' && !preparesAtLength) return step(startStep(rollout, reason, nowMs));
  // The engine asks who must be asked, and starts it.
  return step(makeStep(rollout, 'request_start', { reason, memory: { requestedAtMs: nowMs } }));
}

function resume(rollout: MachineRollout, reason: string, nowMs: number): CommandResult {
  const { memory } = rollout;
  const { pause } = memory;
  if (pause === null) return refused('it is not paused');
  const pausedMs = Math.max(0, nowMs - pause.sinceMs);
  const { trafficSinceMs } = memory;
  const moved = trafficSinceMs === null ? null : trafficSinceMs + pausedMs;
  const changes: Partial<RolloutMemory> = {
    pause: null,
    missing: null,
    sinceMs: memory.sinceMs + pausedMs,
    trafficSinceMs: pause.cause === 'max_duration' && moved !== null ? nowMs : moved,
    // What refused is asked again.
    ...(pause.cause === 'gate' ? { asked: null, gateRound: memory.gateRound + 1 } : {}),
  };
  return step(makeStep(rollout, 'resume', { reason, memory: changes }));
}

/** Ends the wait of the present step. Who must be asked by webhook still is. */
function skip(rollout: MachineRollout, facts: MachineFacts, reason: string): CommandResult {
  const { state, memory } = rollout;
  const { compares } = rulesOf(rollout.plan.strategy);
  if (memory.pause !== null) return refused(`it is paused: ${memory.pause.reason}; resume it first`);
  if (state === 'holding' && compares) return refused('only evidence ends this hold; promote, rollback or abort it');
  const blocked = state === 'shadow' ? facts.freeze : blockedByHand(rollout, facts);
  if (blocked !== null) return refused(`nothing goes forward: ${blocked}`);
  const skipped = state === 'holding' ? HOLD_KEY : stepKey(state === 'shadow' ? 0 : memory.stage + 1);
  if (memory.skipped === skipped) return refused('this step is skipped already');
  return step(makeStep(rollout, 'skip', { reason, memory: { skipped } }));
}

/** For people thin evidence is theirs to judge; a metric that nobody has measured is none, nor is a look from before looks failed. */
function blockedByHand(rollout: MachineRollout, facts: MachineFacts): string | null {
  const failure = rollout.memory.missing?.failure ?? null;
  if (failure !== null) return lackOf({ metrics: [], failure });
  const seen = judge(rollout, facts.look, rulesOf(rollout.plan.strategy).compares);
  return blockedBy(facts, { ...seen, thin: [] });
}

function approve(rollout: MachineRollout, reason: string): CommandResult {
  const { asked, approved } = rollout.memory;
  if (asked === null) return refused('it waits for no approval now');
  if (approved.includes(asked)) return refused('that is approved already');
  if (!awaitsApproval(rollout.memory, rollout.plan))
    return refused('webhooks alone are asked, and no person can agree in their place');
  const said = `approved ${moveOf(asked, rollout.plan)}: ${reason}`;
  return step(makeStep(rollout, 'approve', { reason: said, memory: { approved: [...approved, asked] } }));
}

/** Of the start: it stays a draft. Of a step: it pauses. Of the promotion: it goes back. */
function reject(rollout: MachineRollout, reason: string, nowMs: number): CommandResult {
  const { state, memory } = rollout;
  if (state === 'draft') {
    if (memory.requestedAtMs === undefined) return refused('nobody has asked for its start');
    return step(refuseStart(rollout, reason));
  }
  if (memory.asked === null || memory.pause !== null) return refused('it waits for no approval now');
  if (state !== 'deciding') return step(pauseStep(rollout, 'gate', `rejected: ${reason}`, nowMs));
  const back = `the promotion was rejected: ${reason}`;
  return step(makeStep(rollout, 'rollback', { to: 'rolled_back', reason: back, move: RESTORE }));
}

function promote(
  rollout: MachineRollout,
  facts: MachineFacts,
  { model }: Command,
  reason: string,
  nowMs: number,
): CommandResult {
  const { arms, memory, state } = rollout;
  const active = activeArms(rollout);
  const named = model === undefined ? active : active.filter((arm) => arms[arm] === model);
  const [arm] = named;
  if (arm === undefined || named.length > 1) {
    const names = active.map((each) => arms[each]).join(', ');
    return refused(`name the challenger to promote in "model": one of ${names}`);
  }
  if (memory.pause !== null) return refused(`it is paused: ${memory.pause.reason}; resume it first`);
  const blocked = blockedByHand(rollout, facts);
  if (blocked !== null) {
    return refused(`nothing goes forward: ${blocked}; to move the weights by hand, abort the rollout first`);
  }
  const clearance = promotionClearance(rollout, facts, arm, false);
  if (clearance.kind === 'clear') return step(promoteStep(rollout, arm, reason));
  if (clearance.kind === 'refused') return refused(clearance.reason);
  if (state === 'deciding') return refused('a webhook is being asked for this promotion');
  return step(decideStep(rollout, { kind: 'promote', arm, because: 'person', reason }, nowMs));
}
