import type { ModelFacts } from '#translation/chat/provider.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest } from '#translation/chat/request.ts';
import { writeConversation } from './chat-messages.ts';
import { writeSettings } from './chat-settings.ts';

/** The body of `POST /v2/chat` (Cohere API reference, Chat v2). */
export function writeRequest(request: ChatRequest, model: ModelFacts, refusals: Refusals): Buffer {
  const { messages, documents, cites } = writeConversation(request, refusals);
  const hasDocuments = documents.length > 0;
  return Buffer.from(
    JSON.stringify({
      model: model.upstreamModel,
      stream: request.stream,
      messages,
      ...(hasDocuments ? { documents } : {}),
      // Documents are cited unless this says no; it is one word for all of them.
      ...(hasDocuments && !cites ? { citation_options: { mode: 'OFF' } } : {}),
      ...writeSettings(request, hasDocuments, refusals),
    }),
  );
}
