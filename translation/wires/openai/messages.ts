import type { ModelPart, TextPart, ToolCallPart, ToolResultPart, UserPart } from '../../chat/parts.ts';
import type { Refusals } from '../../chat/refusals.ts';
import type { ChatRequest, Message } from '../../chat/request.ts';
import type { OpenAiServer } from './server.ts';

/**
 * The conversation, instructions first. One neutral turn may become several messages: each tool's result is one. Cache marks need no
 * place: these servers cache by themselves (OpenAI's `prompt_cache_breakpoint` is for gpt-5.6 and later).
 */
export function writeMessages(request: ChatRequest, server: OpenAiServer, refusals: Refusals): object[] {
  const messages: object[] = request.system.map((part) => ({ role: server.systemRole, content: part.text }));
  let calls = 0;
  for (const message of request.messages) {
    switch (message.role) {
      case 'system':
        messages.push({ role: server.systemRole, content: writeTexts(message.parts, server) });
        break;
      case 'user':
        for (const said of writeUser(message, server, refusals)) messages.push(said);
        break;
      case 'assistant':
        messages.push(writeAssistant(message, server, refusals, () => `call_${calls++}`));
        break;
      default:
        message satisfies never;
    }
  }
  return messages;
}

/** Results first: they must stand directly behind the calls that they answer. */
function writeUser(
  { name, parts }: Extract<Message, { role: 'user' }>,
  server: OpenAiServer,
  refusals: Refusals,
): object[] {
  const results = parts.filter((part) => part.type === 'tool_result');
  const rest = parts.filter((part) => part.type !== 'tool_result');
  const messages: object[] = results.map((part) => writeResult(part, server, refusals));
  if (rest.length > 0 || results.length === 0) {
    messages.push({ role: 'user', ...nameOf(name), content: writeContent(rest, server, refusals) });
  }
  return messages;
}

function writeContent(
  parts: readonly Exclude<UserPart, ToolResultPart>[],
  server: OpenAiServer,
  refusals: Refusals,
): string | object[] {
  const texts = parts.filter((part) => part.type === 'text');
  if (texts.length === parts.length && (texts.length <= 1 || !server.contentParts)) return writeTexts(texts, server);
  return parts.map((part) => {
    if (part.type === 'text') return { type: 'text', text: part.text };
    if (!server.contentParts) return refusals.content(part.at, 'takes text only');
    return server.writeMedia(part, refusals);
  });
}

function writeTexts(parts: readonly TextPart[], { contentParts }: OpenAiServer): string | object[] {
  if (parts.length === 1 || !contentParts) return parts.map(({ text }) => text).join('\n');
  return parts.length === 0 ? '' : parts.map(({ text }) => ({ type: 'text', text }));
}

function writeResult({ at, callId, parts, isError }: ToolResultPart, server: OpenAiServer, refusals: Refusals): object {
  const texts = parts.filter((part) => part.type === 'text');
  const other = parts.find((part) => part.type !== 'text');
  if (other !== undefined) refusals.content(other.at, 'takes only text as the result of a tool');
  // There is no field for it; what went wrong stands in the text.
  if (isError) refusals.leftOut(`${at}.is_error`);
  return { role: 'tool', tool_call_id: callId, content: writeTexts(texts, server) };
}

function writeAssistant(
  { name, parts }: Extract<Message, { role: 'assistant' }>,
  server: OpenAiServer,
  refusals: Refusals,
  makeId: () => string,
): object {
  const text: string[] = [];
  const refusal: string[] = [];
  const reasoning: string[] = [];
  const calls: object[] = [];
  const more: Record<string, unknown> = {};
  for (const part of parts) {
    switch (part.type) {
      case 'text':
        text.push(part.text);
        if (part.citations.length > 0) refusals.leftOut(`${part.at}.citations`);
        break;
      case 'refusal':
        (server.refusalField ? refusal : text).push(part.text);
        break;
      case 'reasoning':
        if (mayGoBack(part, server)) reasoning.push(part.text);
        else refusals.leftOut(part.at);
        break;
      case 'tool_call':
        calls.push(writeCall(part, refusals, makeId));
        break;
      case 'audio':
        if (part.source.kind !== 'file') refusals.content(part.at, 'takes its own recordings back by their id only');
        else more['audio'] = { id: part.source.fileId };
        break;
      case 'image':
        refusals.content(part.at, 'takes no images in answers');
        break;
      default:
        part satisfies never;
    }
  }
  if (reasoning.length > 0 && server.reasoningField !== null) more[server.reasoningField] = reasoning.join('');
  if (refusal.length > 0) more['refusal'] = refusal.join('');
  if (calls.length > 0) more['tool_calls'] = calls;
  // Without content there must be something else.
  const content = text.length === 0 && Object.keys(more).length > 0 ? null : text.join('');
  return { role: 'assistant', ...nameOf(name), content, ...more };
}

/** Signed thoughts are worth something to whoever signed them only, and chat completions have no place for a signature. */
function mayGoBack(part: Extract<ModelPart, { type: 'reasoning' }>, server: OpenAiServer): boolean {
  return server.reasoningField !== null && part.signature === null && part.redacted === null;
}

function writeCall(part: ToolCallPart, refusals: Refusals, makeId: () => string): object {
  if (part.signature !== null) refusals.leftOut(`${part.at}.signature`);
  // Some servers refuse an empty text where they expect an object.
  const args = part.arguments === '' ? '{}' : part.arguments;
  return { id: part.id ?? makeId(), type: 'function', function: { name: part.name, arguments: args } };
}

function nameOf(name: string | null): { name?: string } {
  return name === null ? {} : { name };
}
