import { RingsideError } from '#core/errors.ts';
import { pickDeployment } from '#core/snapshot/compile.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import type { ParsedRequest } from '#translation/dialects/ingress.ts';
import { lengthOf, spliceBody } from '#translation/dialects/splice-body.ts';
import { answerNatively, answerTranslated } from '../answering.ts';
import { answerEmbeddings } from '../embeddings-answering.ts';
import type { NativeWire, ProviderAdapter, UpstreamTarget } from '../providers/provider.ts';
import { ADAPTERS } from '../providers/registry.ts';
import type { UpstreamCall } from '../upstream/handler.ts';
import { addHeader, NO_HEADERS } from '../upstream/request-head.ts';
import { connectionNamed } from './hop-by-hop.ts';
import type { Assignment, CallExchange } from './ports.ts';

const NO_FORWARDED: readonly string[] = [];

/** Picks the deployment: by weight, uniformly by the random bits of the inference id. */
export function pickTarget(assignment: Pick<Assignment, 'variant'>, inferenceId: string): UpstreamTarget {
  const { variant, targets } = assignment.variant;
  if (targets.length === 1) return targets[0]!;
  const uniform = Number.parseInt(inferenceId.slice(28), 16) / 0x1_0000_0000;
  return targets[variant.deployments.indexOf(pickDeployment(variant.deployments, uniform))]!;
}

/**
 * Builds the upstream call, and says how its answer is to be read: where the provider speaks the caller's dialect the caller's own
 * bytes with the model's name replaced, else its chat put into the provider's words.
 */
export function adaptRequest(
  exchange: CallExchange,
  request: ParsedRequest,
  body: Buffer,
  target: UpstreamTarget,
  unixMs: () => number,
): UpstreamCall {
  const adapter = ADAPTERS[target.kind];
  const native = adapter.natives[exchange.ingress.name];
  if (native === undefined) return translate(exchange, request, body, target, adapter, unixMs);
  const { operation, path } = exchange;
  const headName = native.headName(operation, request.stream, path.framing, path.isBatch === true);
  // Servers of one kind differ, and a conversation may come from another kind: what cannot go on as it is may be translated.
  if (target.heads[headName] === undefined || (operation === 'chat' && native.isForeign?.(body) === true)) {
    return translate(exchange, request, body, target, adapter, unixMs);
  }
  refuseRouting(request, native);
  exchange.answering = answerNatively(native, request.hideUsage, path.framing, operation);
  const rewritten = native.rewriteBody?.(operation, body, target.upstreamModel) ?? null;
  const model = request.form === undefined ? target.modelJson : request.form.writeModel(target.upstreamModel);
  const pieces = rewritten === null ? spliceBody(body, request, model) : [rewritten];
  return callOf(exchange, target, headName, native.forwardedHeaders, pieces, unixMs);
}

function translate(
  exchange: CallExchange,
  request: ParsedRequest,
  body: Buffer,
  target: UpstreamTarget,
  adapter: ProviderAdapter,
  unixMs: () => number,
): UpstreamCall {
  if (exchange.operation === 'embeddings') return translateEmbeddings(exchange, body, target, adapter, unixMs);
  const dialect = exchange.ingress.chat;
  const translation = target.chat ?? adapter.chat;
  if (exchange.operation !== 'chat' || dialect === null || translation === null) throw noEndpoint(exchange, target);
  const chat = dialect.readRequest(body, exchange.path);
  const refusals = createRefusals(target.kind, exchange.group!.group.traffic.lenient);
  for (const { at } of chat.extras) refusals.setting(at, 'has no parameter that means the same');
  const bytes = translation.writeRequest(chat, target.model, refusals);
  exchange.dropped = refusals.dropped;
  exchange.answering = answerTranslated(dialect, translation, {
    inferenceId: exchange.id,
    createdUnixS: Math.floor(exchange.startUnixMs / 1000),
    request: chat,
    framing: exchange.path.framing,
  });
  const headName = request.stream ? translation.heads.stream : translation.heads.plain;
  if (target.heads[headName] === undefined) throw noEndpoint(exchange, target);
  return callOf(exchange, target, headName, NO_FORWARDED, [bytes], unixMs);
}

function translateEmbeddings(
  exchange: CallExchange,
  body: Buffer,
  target: UpstreamTarget,
  { embeddings }: ProviderAdapter,
  unixMs: () => number,
): UpstreamCall {
  const dialect = exchange.ingress.embeddings;
  if (dialect === undefined || embeddings === undefined || target.heads[embeddings.head] === undefined) {
    throw noEndpoint(exchange, target);
  }
  const request = dialect.readRequest(body, exchange.path);
  const refusals = createRefusals(target.kind, exchange.group!.group.traffic.lenient);
  for (const { at } of request.extras) refusals.setting(at, 'has no parameter that means the same');
  const bytes = embeddings.writeRequest(request, target.model, refusals);
  exchange.dropped = refusals.dropped;
  exchange.answering = answerEmbeddings(dialect, embeddings, request);
  return callOf(exchange, target, embeddings.head, NO_FORWARDED, [bytes], unixMs);
}

function callOf(
  exchange: CallExchange,
  target: UpstreamTarget,
  headName: string,
  forwarded: readonly string[],
  pieces: readonly Buffer[],
  unixMs: () => number,
): UpstreamCall {
  let headers = addHeader(NO_HEADERS, 'traceparent', exchange.traceparent);
  const form = exchange.request!.form;
  if (form !== undefined) headers = addHeader(headers, 'content-type', form.contentType);
  const { headers: callers } = exchange.incoming;
  const hop = connectionNamed(callers.connection);
  for (const name of forwarded) {
    const value = callers[name];
    if (typeof value === 'string' && !hop.has(name)) headers = addHeader(headers, name, value);
  }
  const { tracestate } = callers;
  if (exchange.traceContinued && typeof tracestate === 'string' && !hop.has('tracestate')) {
    headers = addHeader(headers, 'tracestate', tracestate);
  }
  if (target.sign !== undefined) {
    const signed = target.sign(headName, pieces, unixMs());
    for (let i = 0; i < signed.length; i += 2) headers = addHeader(headers, signed[i]!, signed[i + 1]!);
  }
  return {
    endpoint: target.endpoint,
    head: target.heads[headName]!,
    headers,
    body: pieces,
    bodyBytes: lengthOf(pieces),
    firstByteTimeoutMs: target.firstByteTimeoutMs,
    idleTimeoutMs: target.idleTimeoutMs,
  };
}

function refuseRouting(request: ParsedRequest, native: NativeWire): void {
  const refused = request.refused.find((key) => native.refusedKeys.includes(key));
  if (refused === undefined) return;
  const message = `The key "${refused}" would make the upstream route by itself; remove it.`;
  throw new RingsideError('unsupported_parameter', message, { param: refused });
}

function noEndpoint(
  { operation, ingress, group }: CallExchange,
  { kind, providerName }: UpstreamTarget,
): RingsideError {
  return new RingsideError(
    'unsupported_operation',
    `The model group "${group!.group.name}" is served by the provider "${providerName}" (${kind}) here, which cannot answer ` +
      `"${operation}" requests in the dialect ${ingress.name}.`,
    { param: 'model' },
  );
}
