import type { ModelFacts } from '#translation/chat/provider.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest } from '#translation/chat/request.ts';
import { type ContentWriter, cachePoint, writeBlocks } from './chat-content.ts';
import { writeSettings } from './chat-settings.ts';
import { writeTools } from './chat-tools.ts';

interface Turn {
  readonly role: 'user' | 'assistant';
  readonly content: object[];
}

/**
 * The body of `Converse` and `ConverseStream` (Amazon Bedrock Runtime API reference); the model stands in the path, and so does
 * whether to stream.
 */
export function writeRequest(request: ChatRequest, model: ModelFacts, refusals: Refusals): Buffer {
  const system = request.system.flatMap(({ text, cache }) => (text === '' ? [] : [{ text }, ...cachePoint(cache)]));
  return Buffer.from(
    JSON.stringify({
      ...(system.length === 0 ? {} : { system }),
      messages: writeMessages(request, refusals),
      ...writeTools(request, refusals),
      ...writeSettings(request, model.upstreamModel, refusals),
    }),
  );
}

/** Turns must alternate: neighbours of one role become one. */
function writeMessages({ messages }: ChatRequest, refusals: Refusals): Turn[] {
  const writer: ContentWriter = { refusals, documentNames: new Map() };
  const turns: Turn[] = [];
  for (const message of messages) {
    if (message.role === 'system') {
      refusals.content(message.at, 'takes instructions in front of the conversation only');
    }
    if (message.name !== null) refusals.setting(`${message.at}.name`, 'has no names of participants');
    const content = writeBlocks(message.parts, message.role, writer);
    const before = turns.at(-1);
    if (before?.role === message.role) for (const block of content) before.content.push(block);
    // A turn of which nothing is left but another provider's thoughts would be refused.
    else if (content.length > 0 || message.parts.length === 0) turns.push({ role: message.role, content });
  }
  return turns;
}
