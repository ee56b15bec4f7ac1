import type { UserPart } from '#translation/chat/parts.ts';
import type { ModelFacts } from '#translation/chat/provider.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, JsonObject, Message } from '#translation/chat/request.ts';
import { writeBlock } from './chat-blocks.ts';
import { writeSettings } from './chat-settings.ts';

/** The body of `POST /v1/messages`. */
export function writeRequest(request: ChatRequest, model: ModelFacts, refusals: Refusals): Buffer {
  const system = request.system.flatMap((part) => writeBlock(part, refusals) ?? []);
  const messages = joinTurns(request.messages).flatMap((turn) => writeTurn(turn, refusals) ?? []);
  if (messages.length === 0) refusals.content('messages', 'needs a turn with content');
  return Buffer.from(
    JSON.stringify({
      model: model.upstreamModel,
      ...writeSettings(request, model, refusals),
      ...(system.length === 0 ? {} : { system }),
      messages,
      ...(request.stream ? { stream: true } : {}),
    }),
  );
}

interface Turn {
  readonly role: Message['role'];
  readonly messages: readonly Message[];
}

/** Neighbours of one role are one turn, as the API would join them itself. */
function joinTurns(messages: readonly Message[]): Turn[] {
  const turns: { role: Message['role']; messages: Message[] }[] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (last?.role === message.role) last.messages.push(message);
    else turns.push({ role: message.role, messages: [message] });
  }
  return turns;
}

/** Null for a turn without content, which the API refuses. A system turn stands where it is: newer models know it there. */
function writeTurn({ role, messages }: Turn, refusals: Refusals): JsonObject | null {
  for (const message of messages) {
    if (message.role !== 'system' && message.name !== null) {
      refusals.setting(`${message.at}.name`, 'has no names for who speaks');
    }
  }
  const parts = messages.flatMap((message) => [...message.parts]);
  const ordered = role === 'user' ? resultsFirst(parts as UserPart[]) : parts;
  const content = ordered.flatMap((part) => writeBlock(part, refusals) ?? []);
  return content.length === 0 ? null : { role, content };
}

/** "tool_result blocks must come first in the content" (Anthropic's page "Tool use", read 2026-11). */
function resultsFirst(parts: readonly UserPart[]): UserPart[] {
  const isResult = ({ type }: UserPart) => type === 'tool_result';
  return [...parts.filter(isResult), ...parts.filter((part) => !isResult(part))];
}
