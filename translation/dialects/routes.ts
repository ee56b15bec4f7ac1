import type { Operation } from '#core/names.ts';
import type { RequestTarget } from '../chat/dialect.ts';
import { anthropic } from './anthropic/ingress.ts';
import { findGeminiRoute, gemini } from './gemini/ingress.ts';
import type { Ingress, IngressRoute, KeyPlaces } from './ingress.ts';
import { oip } from './oip/ingress.ts';
import { findRoute as findOipRoute } from './oip/routes.ts';
import { openai, openaiForms } from './openai/ingress.ts';
import { openaiChat } from './openai-chat/ingress.ts';
import { openaiResponses } from './openai-responses/ingress.ts';

const IN_BODY: RequestTarget = Object.freeze({ model: null, stream: null, framing: 'sse' });

/** Every ingress dialect. */
export const INGRESSES: readonly Ingress[] = [openaiChat, openaiResponses, openai, openaiForms, anthropic, gemini, oip];

/** Paths that say nothing about a request but what it is. */
const FIXED: ReadonlyMap<string, IngressRoute> = new Map(
  (
    [
      ['/v1/chat/completions', openaiChat, 'chat'],
      ['/v1/completions', openaiChat, 'completions'],
      ['/v1/embeddings', openaiChat, 'embeddings'],
      ['/v1/moderations', openai, 'moderations'],
      ['/v1/rerank', openai, 'rerank'],
      ['/v1/images/generations', openai, 'image-generations'],
      ['/v1/images/edits', openaiForms, 'image-edits'],
      ['/v1/images/variations', openaiForms, 'image-variations'],
      ['/v1/audio/speech', openai, 'speech'],
      ['/v1/audio/transcriptions', openaiForms, 'transcriptions'],
      ['/v1/audio/translations', openaiForms, 'translations'],
      ['/v1/messages', anthropic, 'chat'],
      ['/v1/messages/count_tokens', anthropic, 'count-tokens'],
      ['/v1/responses', openaiResponses, 'chat'],
    ] as const satisfies readonly (readonly [string, Ingress, Operation])[]
  ).map(([path, ingress, operation]) => [path, { ingress, operation, target: IN_BODY }]),
);

/** The paths of {@link findRoute} that do not depend on a model, for messages. */
export const GOVERNED_PATHS: readonly string[] = [...FIXED.keys()];

/** What a POST to `url` (path and query) asks for; undefined when it is no governed route. */
// hot
export function findRoute(url: string): IngressRoute | undefined {
  return FIXED.get(url) ?? findWithQuery(url);
}

/** SDKs add queries: `?beta=true`, `?api-version=…`, `?alt=sse`. Some dialects say the model in the path. */
function findWithQuery(url: string): IngressRoute | undefined {
  const at = url.indexOf('?');
  const [path, query] = at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
  return FIXED.get(path) ?? findGeminiRoute(path, query) ?? findInferRoute(path);
}

function findInferRoute(path: string): IngressRoute | undefined {
  const found = path.startsWith('/v2/') ? findOipRoute(path) : null;
  if (found?.kind !== 'infer') return undefined;
  return { ingress: oip, operation: 'infer', target: { model: found.group, stream: false, framing: 'sse' } };
}

/** The dialect in which a caller of this path (or path and query) asks and understands errors. */
export function ingressOf(path: string, headers: KeyPlaces['headers']): Ingress {
  if (path.startsWith('/v2/')) return oip;
  return path.startsWith('/v1beta/') ? gemini : (findRoute(path)?.ingress ?? clientOf(headers));
}

/** `/v1/models` and `/v1/files` are paths of several APIs: what their clients always send tells them apart. */
function clientOf(headers: KeyPlaces['headers']): Ingress {
  if (headers['anthropic-version'] !== undefined) return anthropic;
  return headers['x-goog-api-key'] === undefined ? openaiChat : gemini;
}
