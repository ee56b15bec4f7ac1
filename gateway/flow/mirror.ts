import { RingsideError } from '#core/errors.ts';
import { createInferenceId } from '#core/ids.ts';
import type { Operation } from '#core/names.ts';
import type { UpstreamTarget } from '../providers/provider.ts';
import type { BoundShadow } from '../shadow/bind-mirror.ts';
import { ShadowBreaker } from '../shadow/breaker.ts';
import { HeldBody } from '../shadow/held-body.ts';
import { ShadowLimits } from '../shadow/limits.ts';
import { isMirrored } from '../shadow/sampling.ts';
import type { BoundGroup } from '../snapshot/bind.ts';
import type { MirrorOutcome } from '../telemetry/layout.ts';
import type { UpstreamPools } from '../upstream/handler.ts';
import { pickTarget } from './adapt-request.ts';
import { MirrorCall, type MirrorGrant } from './mirror-call.ts';
import type { Ending, Exchange, FlowDeps, Mirrors } from './ports.ts';

export interface MirrorsDeps extends FlowDeps {
  /** Connections of mirrored calls: a shadow that keeps its own never takes a caller's. */
  readonly shadowUpstream: UpstreamPools;
  /** The share of the last quarter of a second in which this thread's event loop had work, 0 to 1. */
  readonly utilisation: () => number;
}

export interface RunningMirrors extends Mirrors {
  /** Mirrors nothing from here on. */
  refuse(): void;
  /** Gives what is under way so long to end, then cancels it; resolves when everything is recorded. */
  settle(graceMs: number): Promise<void>;
}

/** Past it a thread has no time to give away: callers' requests already wait for each other. */
const BUSY_UTILISATION = 0.9;
/** Mirrored calls of all groups in one thread: each holds headers, a socket and a part of an answer, which no budget of bodies sees. */
export const MAX_MIRRORED = 1_000;
/** For the records of what was cancelled. */
const RECORD_MS = 1_000;

/** What is asked and answered in JSON, and worth comparing. */
const MIRRORED_OPERATIONS: ReadonlySet<Operation> = new Set([
  'chat',
  'completions',
  'embeddings',
  'infer',
  'moderations',
  'rerank',
]);

/**
 * Mirrored calls of one serving thread. A call is drawn before its caller's, decided on when the caller has its whole answer, and
 * made in a later turn of the event loop. Nobody waits for it, and every bound drops it rather than have it wait.
 */
export function createMirrors(deps: MirrorsDeps): RunningMirrors {
  return new MirrorDesk(deps);
}

class MirrorDesk implements RunningMirrors {
  readonly #deps: MirrorsDeps;
  /** What the rooms of mirrored calls are given: none of these calls is a request of a caller. */
  readonly #callDeps: FlowDeps;
  readonly #limits = new Map<string, ShadowLimits>();
  /** Of targets that are served: a new configuration begins anew. */
  readonly #breakers = new WeakMap<UpstreamTarget, ShadowBreaker>();
  readonly #calls = new Set<MirrorCall>();
  #isRefusing = false;
  #onIdle: () => void = () => undefined;

  constructor(deps: MirrorsDeps) {
    this.#deps = deps;
    this.#callDeps = {
      ...deps,
      upstream: deps.shadowUpstream,
      recorder: { ...deps.recorder, finished: () => undefined },
    };
  }

  draw(exchange: Exchange, body: Buffer): void {
    const { policy, shadows } = exchange.group!.mirror!;
    if (!isMirrored(exchange.id, policy.sampleBp)) return;
    if (MIRRORED_OPERATIONS.has(exchange.operation) && exchange.request!.form === undefined) exchange.drawn = body;
    else for (const shadow of shadows) this.#count(shadow, 'skipped');
  }

  follow(exchange: Exchange, ending: Ending, recorded: boolean): void {
    const body = exchange.drawn!;
    exchange.drawn = null;
    if (!recorded || ending.outcome !== 'completed') return;
    try {
      this.#mirror(exchange, body);
    } catch (defect) {
      this.#deps.onDefect(defect); // the caller has its answer
    }
  }

  refuse(): void {
    this.#isRefusing = true;
  }

  async settle(graceMs: number): Promise<void> {
    this.#isRefusing = true;
    await this.#idle(graceMs);
    const error = new RingsideError('interrupted', 'The gateway stopped before the mirrored call had ended.');
    for (const call of this.#calls) call.cancel(error);
    await this.#idle(RECORD_MS);
  }

  /** Resolves when no call is left, or after `limitMs`. */
  #idle(limitMs: number): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((done) => {
      const limit = setTimeout(done, limitMs);
      this.#onIdle = () => {
        clearTimeout(limit);
        done();
      };
    });
  }

  #mirror(exchange: Exchange, bytes: Buffer): void {
    const group = exchange.group!;
    let body: HeldBody | null = null;
    const hold = () => {
      body ??= this.#hold(exchange, bytes);
      return body;
    };
    for (const shadow of group.mirror!.shadows) {
      const answer = this.#ask(group, shadow, hold);
      if (typeof answer === 'string') this.#count(shadow, answer);
      else this.#begin(exchange, answer);
    }
  }

  /** Takes the body over from its exchange: from here on the mirrored calls give its memory back. */
  #hold(exchange: Exchange, bytes: Buffer): HeldBody | null {
    const { gathered, attempt } = exchange;
    const { bodyBudget, bodyPool } = this.#deps;
    const body = HeldBody.hold(bytes, gathered, attempt?.ended !== false, bodyBudget, bodyPool);
    if (body !== null) exchange.gathered = null;
    return body;
  }

  /** Grants a call everything it takes, or says why there is none. */
  #ask(group: BoundGroup, shadow: BoundShadow, hold: () => HeldBody | null): MirrorGrant | MirrorOutcome {
    const { clock, random, spool, utilisation } = this.#deps;
    if (this.#isRefusing || utilisation() > BUSY_UTILISATION) return 'dropped_busy';
    if (this.#calls.size >= MAX_MIRRORED) return 'dropped_concurrency';
    const unixMs = clock.unixMs();
    const limits = this.#limitsOf(group.group.id);
    const refusal = limits.refusal(group.mirror!.policy, unixMs);
    if (refusal !== null) return refusal;
    const id = createInferenceId(unixMs, group.group.hash, random);
    const target = pickTarget(shadow, id);
    const breaker = this.#breakerOf(target);
    const nowMs = clock.nowNs() / 1e6;
    if (!breaker.allows(nowMs)) return 'dropped_breaker';
    // Whatever the group's policy says of callers: a comparison that nobody can read is not worth a call.
    if (!spool.accepting) return 'dropped_log';
    const body = hold();
    if (body === null) return 'dropped_memory';
    body.use();
    limits.began(unixMs);
    return { id, shadow, target, body, limits, passage: breaker.pass(nowMs) };
  }

  #begin(exchange: Exchange, grant: MirrorGrant): void {
    const call = new MirrorCall(this.#callDeps, exchange, grant, (gone) => {
      this.#calls.delete(gone);
      if (this.#calls.size === 0) this.#onIdle();
    });
    this.#calls.add(call);
    setImmediate(() => call.start());
  }

  #limitsOf(groupId: string): ShadowLimits {
    const present = this.#limits.get(groupId);
    if (present !== undefined) return present;
    this.#forgetGroups();
    const made = new ShadowLimits();
    this.#limits.set(groupId, made);
    return made;
  }

  /** Lets go of groups that are gone, so that the map is no larger than what is served and under way. */
  #forgetGroups(): void {
    const served = new Set<string>();
    for (const { groups } of this.#deps.organizations().values()) {
      for (const { group } of groups.values()) served.add(group.id);
    }
    for (const [id, limits] of this.#limits) if (limits.isIdle && !served.has(id)) this.#limits.delete(id);
  }

  #breakerOf(target: UpstreamTarget): ShadowBreaker {
    let breaker = this.#breakers.get(target);
    if (breaker === undefined) {
      breaker = new ShadowBreaker();
      this.#breakers.set(target, breaker);
    }
    return breaker;
  }

  #count({ variant }: BoundShadow, outcome: MirrorOutcome): void {
    this.#deps.recorder.mirrored(variant.series, outcome);
  }
}
