import type { IncomingHttpHeaders } from 'node:http';
import { type ErrorCode, RingsideError } from '#core/errors.ts';
import type { ReplyFacts, UpstreamTarget } from '../providers/provider.ts';
import type { BoundShadow } from '../shadow/bind-mirror.ts';
import type { CallResult, Passage } from '../shadow/breaker.ts';
import type { HeldBody } from '../shadow/held-body.ts';
import type { ShadowLimits } from '../shadow/limits.ts';
import { adaptRequest } from './adapt-request.ts';
import { Answer } from './adapt-response.ts';
import { authorize } from './authorize.ts';
import { dispatch } from './dispatch.ts';
import { failureEnding } from './fail.ts';
import type { CallExchange, Ending, Exchange, FlowDeps } from './ports.ts';
import { record, recordBegin } from './record.ts';
import { UnreadAnswer } from './unread-answer.ts';
import { unusable } from './unusable-target.ts';

/** What was granted to one mirrored call. */
export interface MirrorGrant {
  /** Its own inference id. */
  readonly id: string;
  readonly shadow: BoundShadow;
  readonly target: UpstreamTarget;
  readonly body: HeldBody;
  readonly limits: ShadowLimits;
  readonly passage: Passage;
}

/** Failures that are the upstream's. One that refused the request as such is well. */
const RESULTS: Readonly<Partial<Record<ErrorCode, CallResult>>> = {
  upstream_error: 'badly',
  upstream_rate_limited: 'badly',
  upstream_unreachable: 'badly',
  upstream_protocol: 'badly',
  upstream_timeout: 'badly',
  upstream_rejected: 'well',
};

/**
 * One request of a caller, made again at a shadow: an inference of its own, through the rooms from the call to the record.
 *
 *   granted ──start──▶ under way ──answer, failure, time-out, cancel──▶ over ──record released──▶ let go
 *      └──────────────────────────────────cancel───────────────────────▲
 */
export class MirrorCall {
  readonly #deps: FlowDeps;
  readonly #grant: MirrorGrant;
  readonly #exchange: CallExchange;
  readonly #sink: UnreadAnswer;
  readonly #timeoutMs: number;
  readonly #onGone: (call: MirrorCall) => void;
  #answer: Answer | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isOver = false;
  #isGone = false;

  /**
   * @param deps of mirrored calls: with their own connections, and a recorder that counts no requests
   * @param onGone called once, when it is recorded and holds nothing any more
   */
  constructor(deps: FlowDeps, original: Exchange, grant: MirrorGrant, onGone: (call: MirrorCall) => void) {
    this.#deps = deps;
    this.#grant = grant;
    this.#timeoutMs = original.group!.mirror!.policy.timeoutMs;
    this.#onGone = onGone;
    this.#sink = new UnreadAnswer(() => this.#abandon());
    this.#exchange = mirrorOf(deps, original, grant, this.#sink);
  }

  start(): void {
    if (this.#isOver) return;
    try {
      this.#send();
    } catch (reason) {
      const error = RingsideError.from(reason);
      if (error.code === 'internal') this.#deps.onDefect(error.cause ?? error);
      this.cancel(error);
    }
  }

  /** Gives it up; it is recorded with what is known. */
  cancel(error: RingsideError): void {
    if (this.#isOver) return;
    this.#exchange.attempt?.cancel(error);
    this.#finish(failureEnding(this.#exchange, error, this.#answer?.leave() ?? {}));
  }

  #send(): void {
    const deps = this.#deps;
    const exchange = this.#exchange;
    const { target, body } = this.#grant;
    // First, unlike a caller's request: what cannot be put to the shadow is a failure of the pair, and has its row.
    recordBegin(deps, exchange, body.bytes);
    const { access } = target;
    if (access?.kind === 'unusable') throw unusable(target.providerName);
    const call = adaptRequest(exchange, exchange.request!, body.bytes, target, deps.clock.unixMs);
    const answer = new Answer(deps, exchange, this.#sink, {
      complete: (ending) => this.#finish(ending),
      fail: (error, partial) => this.#finish(failureEnding(exchange, error, partial)),
      unrecorded: () => undefined,
    });
    this.#answer = answer;
    this.#timer = setTimeout(() => this.cancel(this.#timedOut()), this.#timeoutMs);
    if (access === undefined) dispatch(deps, exchange, call, answer);
    else authorize(deps, exchange, access.grant, call, answer, (ready) => dispatch(deps, exchange, ready, answer));
  }

  #timedOut(): RingsideError {
    const { providerName } = this.#grant.target;
    const message = `The provider "${providerName}" did not end its answer to a mirrored call in ${this.#timeoutMs} ms.`;
    return new RingsideError('upstream_timeout', message);
  }

  #finish(ending: Ending): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const { clock, recorder } = this.#deps;
    const { passage, limits, shadow } = this.#grant;
    const isWell = ending.outcome === 'completed';
    const result = isWell ? 'well' : (RESULTS[ending.error!] ?? 'unknown');
    passage.ended(result, clock.nowNs() / 1e6);
    limits.ended(tokensOf(ending.facts), clock.unixMs());
    recorder.mirrored(shadow.variant.series, isWell ? 'completed' : 'failed');
    record(this.#deps, this.#exchange, ending, () => this.#letGo());
  }

  /** A defect of ours, told to the log already. */
  #abandon(): void {
    if (this.#isOver) this.#letGo();
    else this.cancel(RingsideError.from(new Error('a mirrored call was abandoned')));
  }

  #letGo(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#grant.body.letGo(this.#exchange.attempt?.ended !== false);
    this.#onGone(this);
  }
}

/** The exchange of a mirrored call: the caller's request and place in the split, its own id, span and times. */
function mirrorOf(
  { clock, random }: FlowDeps,
  original: Exchange,
  { id, shadow, target }: MirrorGrant,
  sink: UnreadAnswer,
): CallExchange {
  const { operation, ingress, path, traceId, traceContinued, traceparent, metadata } = original;
  const { key, request, organization, group } = original;
  const { experiment } = shadow;
  return {
    ...{ operation, ingress, path, traceId, traceContinued, metadata },
    ...{ key, request, organization, group, id, target },
    // Its headers only: the caller's connection is none of ours.
    incoming: { headers: repeatableHeaders(original.incoming.headers) },
    outgoing: sink,
    mirror: experiment === null ? { shadowOf: original.id } : { shadowOf: original.id, experiment },
    startNs: clock.nowNs(),
    startUnixMs: clock.unixMs(),
    traceparent: `00-${traceId}-${random.hex()}-${traceparent.slice(-2)}`,
    assignment: { ...original.assignment!, variant: shadow.variant },
    answering: null,
    dropped: [],
    requestDigest: null,
    requestSha256: null,
    begun: false,
    ended: false,
    token: null,
    dispatchNs: null,
    attempt: null,
    attempts: [],
  };
}

/** The caller's idempotency key is of its own call: a provider that knows it would answer with what it said then, or refuse another body. */
function repeatableHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  if (headers['idempotency-key'] === undefined) return headers;
  const { 'idempotency-key': _ofOriginal, ...rest } = headers;
  return rest;
}

function tokensOf(facts: ReplyFacts | null): number {
  const usage = facts?.usage;
  return (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0);
}
