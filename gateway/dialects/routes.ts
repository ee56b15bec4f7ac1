import type { Operation } from '#core/names.ts';
import type { RequestTarget } from '../chat/dialect.ts';
import { anthropic } from './anthropic/ingress.ts';
import type { Ingress, IngressRoute, KeyPlaces } from './ingress.ts';
import { openai, openaiForms } from './openai/ingress.ts';
import { openaiChat } from './openai-chat/ingress.ts';

const IN_BODY: RequestTarget = Object.freeze({ model: null, stream: null, framing: 'sse' });

/** Every ingress dialect. */
export const INGRESSES: readonly Ingress[] = [openaiChat, openai, openaiForms];

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

/** SDKs add queries: `?beta=true`, `?api-version=…`, `?alt=sse`. */
function findWithQuery(url: string): IngressRoute | undefined {
  const at = url.indexOf('?');
  return at === -1 ? undefined : FIXED.get(url.slice(0, at));
}

/** The dialect in which a caller of this path (or path and query) asks and understands errors. */
export function ingressOf(path: string, headers: KeyPlaces['headers']): Ingress {
  return findRoute(path)?.ingress ?? clientOf(headers);
}

/** `/v1/models` and `/v1/files` are paths of several APIs: what their clients always send tells them apart. */
function clientOf(headers: KeyPlaces['headers']): Ingress {
  return headers['anthropic-version'] === undefined ? openaiChat : anthropic;
}
