import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, Message } from '#translation/chat/request.ts';

const SPEAKERS = { system: 'System', user: 'User', assistant: 'Assistant' } as const;
const BETWEEN = '\n\n';

/** The instructions in front of the conversation; undefined where there are none. */
export function systemText({ system }: ChatRequest): string | undefined {
  return system.length === 0 ? undefined : system.map(({ text }) => text).join(BETWEEN);
}

/**
 * A chat for a model that completes texts: one question of a user as it is; anything longer with its speakers, and ending where the
 * assistant goes on.
 */
export function promptText(request: ChatRequest, withSystem: boolean, refusals: Refusals): string {
  const turns = request.messages.map((message) => [SPEAKERS[message.role], textOf(message, refusals)] as const);
  const system = withSystem ? systemText(request) : undefined;
  if (system === undefined && turns.length === 1 && turns[0]![0] === SPEAKERS.user) return turns[0]![1];
  const lines = turns.map(([speaker, text]) => `${speaker}: ${text}`);
  return [...(system === undefined ? [] : [system]), ...lines, `${SPEAKERS.assistant}:`].join(BETWEEN);
}

function textOf(message: Message, refusals: Refusals): string {
  const texts: string[] = [];
  for (const part of message.parts) {
    if (part.type === 'text' || part.type === 'refusal') texts.push(part.text);
    else if (part.type === 'reasoning') refusals.leftOut(part.at);
    else refusals.content(part.at, 'is asked in plain text');
  }
  return texts.join('\n');
}
