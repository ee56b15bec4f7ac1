import { RingsideError } from '#core/errors.ts';
import { fetchToken, type TokenFetchDeps } from './token-fetch.ts';
import type { FetchedToken, TokenGrant } from './token-grant.ts';

/** So long before its end a token is renewed while it still serves; a short-lived one at half of its life. */
const REFRESH_AHEAD_MS = 300_000;
/** A token is not used in its last moments: the call takes time, and clocks differ. */
const MAX_MARGIN_MS = 60_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;
/** A provider that accepts no token at all must not make us fetch one for every call. */
const BETWEEN_REJECTIONS_MS = 60_000;

/** What a call is given: a token, or why there is none. */
export type TakenToken = string | RingsideError;

/** The access tokens of one worker, by provider. */
export interface TokenSources {
  /**
   * Gives `use` a token: at once where one is held, else when it has been fetched, or why it could not be; at the latest at the
   * deadline of the grant. Returns the cleanup, after which `use` is not called any more.
   */
  take(grant: TokenGrant, use: (taken: TakenToken) => void): () => void;
  /** The provider answered 401 to a call with this token: it is fetched anew, once, if it is still the one in use. */
  rejected(grant: TokenGrant, token: string): void;
}

export interface TokenSourcesDeps extends TokenFetchDeps {
  /** A uniform number in [0, 1). */
  readonly uniform: () => number;
  readonly log: (line: string) => void;
  readonly onDefect: (error: unknown) => void;
}

/**
 * Tokens are fetched when calls need them: nothing runs for a provider that nobody calls. One source for a provider and its
 * present credentials, so that a new configuration does not make everybody wait.
 */
export function createTokenSources(deps: TokenSourcesDeps): TokenSources {
  const sources = new Map<string, TokenSource>();
  const sourceOf = (grant: TokenGrant): TokenSource => {
    const present = sources.get(grant.providerId);
    if (present !== undefined && present.credentials === grant.credentials) return present;
    for (const [id, source] of sources) if (source.isSpent) sources.delete(id); // of providers that are gone
    const made = new TokenSource(deps, grant.credentials);
    sources.set(grant.providerId, made);
    return made;
  };
  return {
    take: (grant, use) => sourceOf(grant).take(grant, use),
    // Of credentials that have been replaced meanwhile nobody wants a token.
    rejected(grant, token) {
      const present = sources.get(grant.providerId);
      if (present?.credentials === grant.credentials) present.rejected(grant, token);
    },
  };
}

interface HeldToken {
  readonly value: string;
  readonly refreshAtMs: number;
  readonly endsAtMs: number;
}

/**
 * The token of one provider, with one fetch at a time.
 *
 *   none ──take──▶ fetching ──token──▶ held ──take near its end──▶ held and fetching ──token──▶ held
 *    ▲                │ failure         │ end, rejected                  │ failure
 *    └── waiting ◀────┘                 ▼                                ▼
 *         (calls fail at once)   none or fetching                held, waiting (calls have the old one)
 *
 * Waiting ends after a time that doubles with each failure, from 1 s to 60 s, between half and all of it by chance.
 */
class TokenSource {
  readonly credentials: string | null;
  readonly #deps: TokenSourcesDeps;
  readonly #waiting = new Set<(taken: TakenToken) => void>();
  #held: HeldToken | null = null;
  #isFetching = false;
  #failures = 0;
  #failure: RingsideError | null = null;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #rejectedAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: TokenSourcesDeps, credentials: string | null) {
    this.#deps = deps;
    this.credentials = credentials;
  }

  /** Whether nothing is lost with it. */
  get isSpent(): boolean {
    const nowMs = this.#deps.unixMs();
    return !this.#isFetching && nowMs >= this.#retryAtMs && (this.#held === null || nowMs >= this.#held.endsAtMs);
  }

  take(grant: TokenGrant, use: (taken: TakenToken) => void): () => void {
    const nowMs = this.#deps.unixMs();
    if (this.#held !== null && nowMs < this.#held.endsAtMs) {
      const { value, refreshAtMs } = this.#held;
      if (nowMs >= refreshAtMs) this.#renew(grant, nowMs);
      use(value);
      return () => undefined;
    }
    if (!this.#isFetching && nowMs < this.#retryAtMs) {
      use(this.#again(nowMs));
      return () => undefined;
    }
    // One object for each caller, whatever function it gave; before the fetch, which may fail at once.
    const waiter = (taken: TakenToken) => use(taken);
    this.#waiting.add(waiter);
    this.#renew(grant, nowMs);
    return () => void this.#waiting.delete(waiter);
  }

  rejected(grant: TokenGrant, token: string): void {
    const nowMs = this.#deps.unixMs();
    if (this.#held?.value !== token || nowMs - this.#rejectedAtMs < BETWEEN_REJECTIONS_MS) return;
    this.#rejectedAtMs = nowMs;
    this.#held = null;
    this.#renew(grant, nowMs);
  }

  #renew(grant: TokenGrant, nowMs: number): void {
    if (this.#isFetching || nowMs < this.#retryAtMs) return;
    this.#isFetching = true;
    fetchToken(this.#deps, grant, (result) => {
      this.#isFetching = false;
      if (result instanceof RingsideError) this.#failed(grant, result);
      else this.#fetched(grant, result, nowMs);
    });
  }

  /** A token's life begins at the latest when it was asked for. */
  #fetched(grant: TokenGrant, { value, lifeMs, refreshAfterMs }: FetchedToken, askedAtMs: number): void {
    const endsAtMs = askedAtMs + lifeMs - Math.min(MAX_MARGIN_MS, lifeMs / 10);
    const refreshMs = refreshAfterMs ?? Math.max(lifeMs - REFRESH_AHEAD_MS, lifeMs / 2);
    this.#held = { value, endsAtMs, refreshAtMs: Math.min(askedAtMs + refreshMs, endsAtMs) };
    if (this.#failures > 0) this.#deps.log(`the provider "${grant.providerName}" has an access token again`);
    this.#failures = 0;
    this.#failure = null;
    this.#retryAtMs = Number.NEGATIVE_INFINITY;
    this.#tell(value);
  }

  #failed({ providerName }: TokenGrant, error: RingsideError): void {
    if (this.#failures === 0) this.#deps.log(`no access token for the provider "${providerName}": ${error.message}`);
    if (error.code === 'internal') this.#deps.onDefect(error.cause ?? error);
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, MAX_RETRY_MS);
    this.#failures++;
    this.#failure = error;
    this.#retryAtMs = this.#deps.unixMs() + delayMs / 2 + (delayMs / 2) * this.#deps.uniform();
    this.#tell(error);
  }

  /** The last failure, for a call that comes before the next attempt. */
  #again(nowMs: number): RingsideError {
    const { code, message } = this.#failure!;
    return new RingsideError(code, message, { retryAfterSeconds: Math.ceil((this.#retryAtMs - nowMs) / 1_000) });
  }

  #tell(taken: TakenToken): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const use of waiting) {
      try {
        use(taken);
      } catch (defect) {
        this.#deps.onDefect(defect); // the others have theirs all the same
      }
    }
  }
}
