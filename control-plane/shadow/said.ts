import { DIALECTS, type DialectName } from '#core/names.ts';
import type { ToolCall } from '#core/shadow/tool-calls.ts';
import { RECORDED_CHATS } from '#translation/dialects/recorded-chats.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** What a model said and which tools it called, whatever dialect that was in. */
export interface Said {
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
}

/** A conversation of one turn, for what an answer says does not depend on what was asked. */
const ASKED: Readonly<Partial<Record<DialectName, JsonObject>>> = {
  'openai-chat': { messages: [{ role: 'user', content: 'asked' }] },
  'openai-responses': { input: 'asked' },
  anthropic: { max_tokens: 1, messages: [{ role: 'user', content: 'asked' }] },
  gemini: { contents: [{ role: 'user', parts: [{ text: 'asked' }] }] },
};

/**
 * Reads an answer of a dialect (`ChatAnswer.said`) in neutral words.
 * @returns null when something in it has no place there: half of an answer is not compared
 */
export function readSaid(dialect: string, said: unknown): Said | null {
  if (!DIALECTS.includes(dialect as DialectName)) return null;
  const name = dialect as DialectName;
  const asked = ASKED[name];
  const chat = asked === undefined ? null : (RECORDED_CHATS[name]?.asOpenAiChat(asked, said) ?? null);
  if (chat === null) return null;
  const answers = (chat.messages as readonly JsonObject[]).filter(({ role }) => role === 'assistant');
  return {
    text: answers.map(({ content, refusal }) => `${textOf(content)}${textOf(refusal)}`).join(''),
    toolCalls: answers.flatMap(callsOf),
  };
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map((part) => textOf((part as JsonObject | null)?.['text'])).join('') : '';
}

function callsOf({ tool_calls: calls, function_call: legacy }: JsonObject): ToolCall[] {
  const listed: readonly unknown[] = Array.isArray(calls) ? calls : [];
  const called = listed.map((call) => {
    const { function: fn, custom } = (call ?? {}) as JsonObject;
    return fn ?? custom;
  });
  return [...called, legacy].flatMap((call) => {
    const { name, arguments: given, input } = (call ?? {}) as JsonObject;
    if (typeof name !== 'string') return [];
    const text = given ?? input ?? '';
    return [{ name, arguments: typeof text === 'string' ? text : JSON.stringify(text) }];
  });
}
