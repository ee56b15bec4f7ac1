import { RingsideError } from '#core/errors.ts';
import { transportFailure } from './failures.ts';
import type { UpstreamController, UpstreamHandler, UpstreamHeaders, UpstreamPools } from './handler.ts';
import { NO_HEADERS } from './request-head.ts';
import { type FetchedToken, readTokenAnswer, type TokenGrant } from './token-grant.ts';

/** A token is a few kilobytes; whatever is longer is none. */
const MAX_ANSWER_BYTES = 65_536;

export interface TokenFetchDeps {
  readonly upstream: UpstreamPools;
  readonly unixMs: () => number;
  /** Monotonic milliseconds, the clock of the pools. */
  readonly nowMs: () => number;
}

/** Asks for one token, through the pools that check every address. `done` hears of it once, and perhaps before this returns. */
export function fetchToken(
  deps: TokenFetchDeps,
  grant: TokenGrant,
  done: (result: FetchedToken | RingsideError) => void,
): void {
  const fetch = new TokenFetch(grant, done);
  try {
    const body = Buffer.from(grant.writeBody(deps.unixMs()));
    const { endpoint, head, firstByteTimeoutMs } = grant;
    deps.upstream.dispatch(
      {
        endpoint,
        head,
        headers: NO_HEADERS,
        body: [body],
        bodyBytes: body.length,
        firstByteTimeoutMs,
        idleTimeoutMs: firstByteTimeoutMs,
      },
      fetch,
      deps.nowMs(),
    );
  } catch (reason) {
    fetch.fail(reason);
  }
}

/** One request for a token. `over` is entered once, whatever the transport still reports. */
class TokenFetch implements UpstreamHandler {
  readonly #grant: TokenGrant;
  readonly #done: (result: FetchedToken | RingsideError) => void;
  readonly #deadline: NodeJS.Timeout;
  #controller: UpstreamController | null = null;
  #isOver = false;
  #status = 0;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(grant: TokenGrant, done: (result: FetchedToken | RingsideError) => void) {
    this.#grant = grant;
    this.#done = done;
    const late = () => new RingsideError('upstream_unreachable', `${this.#server} did not answer in time.`);
    // The client's own limits start anew with each byte.
    this.#deadline = setTimeout(() => this.#end(late()), grant.deadlineMs);
  }

  onRequestStart(controller: UpstreamController): void {
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error('too late'));
  }

  onResponseStart(_controller: UpstreamController, status: number, headers: UpstreamHeaders): void {
    this.#status = status;
    if (headers['content-encoding'] !== undefined) this.#end(this.#unreadable());
  }

  onResponseData(_controller: UpstreamController, chunk: Buffer): void {
    if (this.#isOver) return;
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > MAX_ANSWER_BYTES) this.#end(this.#unreadable());
  }

  onResponseEnd(): void {
    this.#controller = null;
    if (this.#isOver) return;
    this.#end(readTokenAnswer(this.#status, Buffer.concat(this.#held), this.#grant.providerName));
  }

  onResponseError(_controller: UpstreamController, reason: Error): void {
    this.#controller = null;
    this.fail(reason);
  }

  fail(reason: unknown): void {
    const { providerName } = this.#grant;
    this.#end(asOurs(transportFailure(reason, providerName, `token server of the provider "${providerName}"`)));
  }

  get #server(): string {
    return `The token server of the provider "${this.#grant.providerName}"`;
  }

  #unreadable(): RingsideError {
    return new RingsideError('upstream_error', `${this.#server} sent something else than a token.`);
  }

  #end(result: FetchedToken | RingsideError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#deadline);
    this.#held = [];
    this.#controller?.abort(new Error('the fetch of a token has ended'));
    this.#done(result);
  }
}

/** To the caller it is one thing: the provider cannot be reached, or is out of order. */
function asOurs(error: RingsideError): RingsideError {
  const { message, cause } = error;
  if (error.code === 'upstream_timeout') return new RingsideError('upstream_unreachable', message, { cause });
  if (error.code === 'upstream_protocol') return new RingsideError('upstream_error', message, { cause });
  return error;
}
