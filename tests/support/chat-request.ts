import type { TextPart, UserPart } from '#translation/chat/parts.ts';
import { type ChatRequest, NO_SETTINGS, type Settings } from '#translation/chat/request.ts';

/** A text part, for tests of providers' translations. */
export const textPart = (text: string, at = 'messages[0].content'): TextPart => ({
  type: 'text',
  text,
  at,
  cache: null,
  citations: [],
});

/** A user's turn. */
export const userTurn = (...parts: readonly (UserPart | string)[]): ChatRequest['messages'][number] => ({
  role: 'user',
  at: 'messages[0]',
  name: null,
  parts: parts.map((part) => (typeof part === 'string' ? textPart(part) : part)),
});

/** A request that says only what a test is about. */
export function chatRequest({
  settings,
  ...request
}: Partial<Omit<ChatRequest, 'settings'>> & { settings?: Partial<Settings> } = {}): ChatRequest {
  return {
    model: 'group',
    stream: false,
    streamUsage: false,
    system: [],
    messages: [userTurn('Hi.')],
    tools: [],
    spelling: {},
    extras: [],
    ...request,
    settings: { ...NO_SETTINGS, ...settings },
  };
}
