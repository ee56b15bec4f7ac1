import { RingsideError } from '#core/errors.ts';
import { pickDeployment } from '#core/snapshot/compile.ts';
import { lengthOf, type ParsedRequest, spliceBody } from '../dialects/openai-chat/request.ts';
import type { UpstreamTarget } from '../providers/provider.ts';
import { ADAPTERS } from '../providers/registry.ts';
import type { UpstreamCall } from '../upstream/handler.ts';
import { addHeader, NO_HEADERS } from '../upstream/request-head.ts';
import type { Assignment, Exchange } from './ports.ts';

/** Request headers that are passed on; everything else stays here, credentials and hop-by-hop headers above all. */
const FORWARDED = ['accept', 'openai-beta', 'idempotency-key', 'tracestate'] as const;
const NO_NAMES: ReadonlySet<string> = new Set();

/** Picks the deployment: by weight, uniformly by the random bits of the inference id. */
export function pickTarget(assignment: Assignment, inferenceId: string): UpstreamTarget {
  const { variant, targets } = assignment.variant;
  if (targets.length === 1) return targets[0]!;
  const uniform = Number.parseInt(inferenceId.slice(28), 16) / 0x1_0000_0000;
  return targets[variant.deployments.indexOf(pickDeployment(variant.deployments, uniform))]!;
}

/** Builds the upstream call: the caller's own bytes with the model's name replaced. */
export function adaptRequest(
  exchange: Exchange,
  request: ParsedRequest,
  body: Buffer,
  target: UpstreamTarget,
): UpstreamCall {
  const refused = request.refused.find((key) => ADAPTERS[target.kind].refusedKeys.includes(key));
  if (refused !== undefined) {
    throw new RingsideError(
      'unsupported_parameter',
      `The key "${refused}" would make the upstream route by itself; remove it.`,
      {
        param: refused,
      },
    );
  }
  let headers = addHeader(NO_HEADERS, 'traceparent', exchange.traceparent);
  const hop = connectionNamed(exchange.incoming.headers.connection);
  for (const name of FORWARDED) {
    const value = exchange.incoming.headers[name];
    if (name === 'tracestate' && !exchange.traceContinued) continue;
    if (typeof value === 'string' && !hop.has(name)) headers = addHeader(headers, name, value);
  }
  const pieces = spliceBody(body, request, target.modelJson);
  return {
    endpoint: target.endpoint,
    head: target.heads[exchange.operation],
    headers,
    body: pieces,
    bodyBytes: lengthOf(pieces),
    firstByteTimeoutMs: target.firstByteTimeoutMs,
    idleTimeoutMs: target.idleTimeoutMs,
  };
}

/** Headers that the caller's `Connection` names belong to its hop (RFC 9110, section 7.6.1). */
function connectionNamed(connection: string | undefined): ReadonlySet<string> {
  if (connection === undefined || /^(keep-alive|close)$/i.test(connection)) return NO_NAMES;
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()));
}
