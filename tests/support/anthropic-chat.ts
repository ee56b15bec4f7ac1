import { RingsideError } from '#core/errors.ts';
import { anthropicChat } from '#gateway/providers/anthropic/chat.ts';
import type { ModelPart, UserPart } from '#translation/chat/parts.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import { type ChatRequest, type Message, NO_SETTINGS, type Settings, type Tool } from '#translation/chat/request.ts';

/** Chats in the neutral words, and the bodies that they become for Anthropic. */
export const part = { at: 'messages[0].content', cache: null };
export const HI: Message = {
  role: 'user',
  at: 'messages[0]',
  name: null,
  parts: [{ ...part, type: 'text', text: 'Hi', citations: [] }],
};
export const tool = (name: string): Tool => ({
  at: `tools.${name}`,
  name,
  description: null,
  parameters: null,
  strict: null,
  cache: null,
});

export function request(settings: Partial<Settings>, more: Partial<ChatRequest> = {}): ChatRequest {
  const spelling = Object.fromEntries(Object.keys(settings).map((name) => [name, `caller.${name}`]));
  return {
    model: 'group',
    stream: false,
    streamUsage: false,
    system: [],
    messages: [HI],
    tools: [],
    settings: { ...NO_SETTINGS, ...settings },
    spelling,
    extras: [],
    ...more,
  };
}

export function write(chat: ChatRequest, { lenient = false, upstreamModel = 'claude-sonnet-4-5' } = {}) {
  const refusals = createRefusals('anthropic', lenient);
  const body = anthropicChat.writeRequest(chat, { upstreamModel, defaultMaxTokens: 8192 }, refusals);
  return { body: JSON.parse(body.toString()), dropped: refusals.dropped };
}

export function refused(chat: ChatRequest, upstreamModel?: string): RingsideError {
  try {
    write(chat, upstreamModel === undefined ? {} : { upstreamModel });
  } catch (error) {
    if (error instanceof RingsideError) return error;
  }
  throw new Error('it was not refused');
}

export const turn = (parts: UserPart[]): Partial<ChatRequest> => ({ messages: [{ ...HI, parts } as Message] });
export const said = (parts: ModelPart[]): Partial<ChatRequest> => ({
  messages: [HI, { role: 'assistant', at: 'messages[1]', name: null, parts }],
});
