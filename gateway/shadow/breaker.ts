/** Calls in a row that must fail before a shadow is left alone. */
export const FAILURES_TO_OPEN = 5;
/** How long it is left alone before one call looks whether it is well again. */
export const OPEN_MS = 10_000;

/** How a call ended for its target. `unknown`: it says nothing of it (we gave it up ourselves, or the request was at fault). */
export type CallResult = 'well' | 'badly' | 'unknown';

/** One call that the breaker has let through; to be reported once. */
export interface Passage {
  ended(result: CallResult, nowMs: number): void;
}

type State =
  | { readonly kind: 'closed'; readonly failures: number }
  | { readonly kind: 'open'; readonly untilMs: number }
  | { readonly kind: 'half-open'; readonly probe: Passage };

/**
 * Keeps mirrored calls from a shadow that does not answer, so that they do not hold the places of others. No other call asks it:
 * a shadow's failures are not its provider's, as far as callers are concerned.
 *
 *   closed ──FAILURES_TO_OPEN in a row──▶ open ──OPEN_MS──▶ half-open ──the probe ends well──▶ closed
 *                                          ▲                     │
 *                                          └──badly, or unknown──┘
 *
 * What was under way when it opened is not listened to any more. Times are monotonic milliseconds.
 */
export class ShadowBreaker {
  #state: State = { kind: 'closed', failures: 0 };

  /** Whether `pass` would let a call through. */
  allows(nowMs: number): boolean {
    const state = this.#state;
    return state.kind === 'closed' || (state.kind === 'open' && nowMs >= state.untilMs);
  }

  /** Lets a call through, which must be made; only after `allows`. */
  pass(nowMs: number): Passage {
    if (!this.allows(nowMs)) throw new Error('the breaker is open');
    const passage: Passage = { ended: (result, atMs) => this.#ended(passage, result, atMs) };
    if (this.#state.kind === 'open') this.#state = { kind: 'half-open', probe: passage };
    return passage;
  }

  #ended(passage: Passage, result: CallResult, nowMs: number): void {
    const state = this.#state;
    switch (state.kind) {
      case 'closed':
        if (result === 'unknown') return;
        this.#state = result === 'well' ? CLOSED : this.#failed(state.failures + 1, nowMs);
        return;
      case 'open':
        return;
      case 'half-open':
        if (state.probe !== passage) return;
        this.#state = result === 'well' ? CLOSED : { kind: 'open', untilMs: nowMs + OPEN_MS };
        return;
      default:
        state satisfies never;
    }
  }

  #failed(failures: number, nowMs: number): State {
    return failures < FAILURES_TO_OPEN ? { kind: 'closed', failures } : { kind: 'open', untilMs: nowMs + OPEN_MS };
  }
}

const CLOSED: State = { kind: 'closed', failures: 0 };
