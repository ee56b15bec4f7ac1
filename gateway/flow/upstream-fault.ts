import { RingsideError } from '#core/errors.ts';
import type { Answering } from '../answering.ts';
import type { StreamTap, UpstreamTarget } from '../providers/provider.ts';
import { ADAPTERS } from '../providers/registry.ts';
import type { AnswerHead } from './outflow.ts';
import type { CallExchange, FlowDeps } from './ports.ts';

/** An answer with a status of 300 or more, as our error. A token that was not accepted is renewed for the calls that follow. */
export function refusalOf(
  deps: FlowDeps,
  exchange: CallExchange,
  { status, headers }: AnswerHead,
  body: Buffer,
): RingsideError {
  const target = secretive(exchange);
  if (status === 401 && exchange.token !== null && target.access?.kind === 'token') {
    deps.tokens.rejected(target.access.grant, exchange.token);
  }
  if (status < 400) {
    const redirect = `The provider "${target.providerName}" answered with a redirect, which is not followed.`;
    return new RingsideError('upstream_error', redirect);
  }
  return ADAPTERS[target.kind].readError(status, body, [headers['retry-after']].flat()[0], target);
}

/** A failure that the upstream reported inside a stream, scrubbed, or a stream that nobody can read; null: neither. */
export function faultOfStream(
  exchange: CallExchange,
  { errorBody, errorStatus, failure }: StreamTap,
): RingsideError | null {
  if (errorBody === null) return failure ?? null;
  const target = secretive(exchange);
  return ADAPTERS[target.kind].readError(errorStatus ?? 502, errorBody, undefined, target);
}

/** A whole answer, or the error for one that nobody can read: the upstream's fault, and no defect of ours. */
export function readWhole(
  answering: Answering,
  body: Buffer,
  isReadable: boolean,
): ReturnType<Answering['readWhole']> | RingsideError {
  try {
    return answering.readWhole(body, isReadable);
  } catch (reason) {
    if (reason instanceof RingsideError) return reason;
    throw reason;
  }
}

/** The target, whose errors may repeat the token of this call as well as what is secret in all of them. */
function secretive({ target, token }: CallExchange): UpstreamTarget {
  return token === null ? target! : { ...target!, secrets: [...target!.secrets, token] };
}
