import type { Operation } from '#core/names.ts';
import type { RequestTarget } from '../chat/dialect.ts';
import type { Ingress, IngressRoute } from './ingress.ts';
import { openaiChat } from './openai-chat/ingress.ts';
import { openaiResponses } from './openai-responses/ingress.ts';

const IN_BODY: RequestTarget = Object.freeze({ model: null, stream: null, framing: 'sse' });

/** Every ingress dialect. */
export const INGRESSES: readonly Ingress[] = [openaiChat, openaiResponses];

/** Paths that say nothing about a request but what it is. */
const FIXED: ReadonlyMap<string, IngressRoute> = new Map(
  (
    [
      ['/v1/chat/completions', openaiChat, 'chat'],
      ['/v1/completions', openaiChat, 'completions'],
      ['/v1/embeddings', openaiChat, 'embeddings'],
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

/** SDKs add queries: `?beta=true`, `?api-version=…`, `?alt=sse`. */
function findWithQuery(url: string): IngressRoute | undefined {
  const at = url.indexOf('?');
  return at === -1 ? undefined : FIXED.get(url.slice(0, at));
}

/** The dialect whose errors a caller of this path understands. */
export function ingressOf(path: string): Ingress {
  void path;
  return openaiChat;
}
