import { hashText } from '../../random.ts';
import { countTokens } from '../../tokens.ts';

/** A prompt as far as an answer depends on it. */
export interface PromptDigest {
  readonly tokens: number;
  /** 32 bits of all its text. */
  readonly hash: number;
}

/** What OpenAI charges around each message, before the answer, and for an image of low detail (any part that is no text). */
const MESSAGE_TOKENS = 3;
const ANSWER_TOKENS = 3;
const IMAGE_TOKENS = 85;

/** Digests chat messages; calls and definitions of tools count as the tokens of their JSON. */
export function digestMessages(
  messages: readonly { role: string; content?: unknown; tool_calls?: unknown }[],
  tools: unknown,
): PromptDigest {
  let tokens = ANSWER_TOKENS;
  let hash = 0;
  const take = (text: string) => {
    tokens += countTokens(text);
    hash = hashText(text, hash);
  };
  for (const { role, content, tool_calls: calls } of messages) {
    tokens += MESSAGE_TOKENS;
    take(role);
    for (const part of Array.isArray(content) ? content : [content]) {
      const text = textOf(part);
      if (text !== undefined) take(text);
      else if (typeof part === 'object' && part !== null) tokens += IMAGE_TOKENS;
    }
    if (calls !== undefined) take(JSON.stringify(calls));
  }
  if (tools !== undefined) take(JSON.stringify(tools));
  return { tokens, hash };
}

/** The text of a content part, or of content that is nothing else. */
function textOf(part: unknown): string | undefined {
  if (typeof part === 'string') return part;
  if (typeof part !== 'object' || part === null || !('text' in part)) return undefined;
  return typeof part.text === 'string' ? part.text : undefined;
}

/** Digests a prompt given as text or as token numbers. */
export function digestInput(input: string | readonly number[]): PromptDigest {
  if (typeof input === 'string') return { tokens: countTokens(input), hash: hashText(input) };
  return { tokens: input.length, hash: hashText(input.join(' ')) };
}
