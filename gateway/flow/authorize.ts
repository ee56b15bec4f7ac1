import { RingsideError } from '#core/errors.ts';
import type { UpstreamCall } from '../upstream/handler.ts';
import { addHeader } from '../upstream/request-head.ts';
import type { TokenGrant } from '../upstream/token-grant.ts';
import type { TakenToken } from '../upstream/token-source.ts';
import type { AnswerListener, CallExchange, FlowDeps, UpstreamAttempt } from './ports.ts';

/**
 * Gives a call its access token and hands it to `go`: at once where there is one, else when it has come. Without one the exchange
 * ends as an answer that failed. A caller that leaves meanwhile is not waited for.
 */
export function authorize(
  deps: FlowDeps,
  exchange: CallExchange,
  grant: TokenGrant,
  call: UpstreamCall,
  listener: AnswerListener,
  go: (call: UpstreamCall) => void,
): void {
  const use = (taken: TakenToken) => {
    if (exchange.ended) return;
    if (taken instanceof RingsideError) return listener.failed(taken);
    exchange.token = taken;
    go({ ...call, headers: addHeader(call.headers, 'authorization', `Bearer ${taken}`) });
  };
  const wait = new Wait();
  exchange.attempt = wait;
  wait.forget = deps.tokens.take(grant, (taken) => {
    try {
      use(taken);
    } catch (defect) {
      // As in a call: nobody else would answer.
      deps.onDefect(defect);
      listener.failed(RingsideError.from(defect));
    }
  });
}

/** The wait for a token, in the place of the call that follows it. */
class Wait implements UpstreamAttempt {
  /** The transport has nothing of the request yet. */
  readonly ended = true;
  forget: () => void = () => undefined;

  cancel(): void {
    this.forget();
  }

  settle(): void {
    this.forget();
  }
}
