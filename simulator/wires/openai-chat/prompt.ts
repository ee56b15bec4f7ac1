import { z } from 'zod';

/** What servers with OpenAI's chat completions charge around each message, before the answer, and for what is no text. */
const MESSAGE_TOKENS = 3;
const ANSWER_TOKENS = 3;
const MEDIA_TOKENS = 85;

export const toolSchema = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({
    name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
    strict: z.boolean().optional(),
  }),
});

export const callSchema = z.strictObject({
  id: z.string().min(1),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string().min(1), arguments: z.string() }),
});

export const namedToolSchema = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({ name: z.string() }),
});

export interface ReadPrompt {
  readonly promptText: string;
  readonly extraPromptTokens: number;
  readonly afterToolResult: boolean;
}

/** All text of a conversation, and what is charged beside it. */
export function readPrompt(messages: readonly { readonly role: string }[], tools: unknown): ReadPrompt {
  const texts: string[] = [];
  let extraPromptTokens = ANSWER_TOKENS;
  for (const message of messages) {
    const { role, content, tool_calls: calls } = message as { role: string; content?: unknown; tool_calls?: unknown };
    extraPromptTokens += MESSAGE_TOKENS;
    texts.push(role);
    for (const part of Array.isArray(content) ? content : [content]) {
      const text = typeof part === 'string' ? part : (part as { text?: unknown } | null | undefined)?.text;
      if (typeof text === 'string') texts.push(text);
      else if (typeof part === 'object' && part !== null) extraPromptTokens += MEDIA_TOKENS;
    }
    if (calls !== undefined) texts.push(JSON.stringify(calls));
  }
  if (tools !== undefined) texts.push(JSON.stringify(tools));
  return { promptText: texts.join('\n'), extraPromptTokens, afterToolResult: messages.at(-1)?.role === 'tool' };
}

/** Tools as a plan wants them. */
export function readTools(tools: readonly z.output<typeof toolSchema>[] | undefined) {
  return (tools ?? []).map(({ function: { name, parameters } }) => ({ name, schema: parameters ?? {} }));
}

/** `auto`, `none`, `required` (or `any`) or one tool. */
export function readChoice(choice: string | z.output<typeof namedToolSchema> | null | undefined) {
  if (typeof choice === 'object' && choice !== null) return { name: choice.function.name };
  return choice === 'required' || choice === 'any'
    ? ('required' as const)
    : choice === 'none'
      ? choice
      : ('auto' as const);
}
