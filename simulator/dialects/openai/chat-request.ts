import { z } from 'zod';
import type { Ask } from '../../plan.ts';
import { digestMessages } from './prompt.ts';

const maxTokens = z.int().positive().nullish();
const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
const named = z.object({ name: z.string().min(1).max(128), parameters: z.unknown().optional() });

const tool = z.discriminatedUnion('type', [
  z.object({ type: z.literal('function'), function: named }),
  z.object({ type: z.literal('custom'), custom: z.object({ name: z.string().min(1).max(128) }) }),
]);
const chosen = z.discriminatedUnion('type', [
  z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) }),
  z.object({ type: z.literal('custom'), custom: z.object({ name: z.string() }) }),
]);
const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  chosen,
  z.object({
    type: z.literal('allowed_tools'),
    allowed_tools: z.object({ mode: z.enum(['auto', 'required']), tools: z.array(chosen).min(1) }),
  }),
]);
const responseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.object({ name: z.string().regex(/^[\w-]{1,64}$/), schema: z.record(z.string(), z.unknown()) }),
  }),
]);

/** As much of a request as an answer depends on, or as OpenAI checks. Other fields are taken and do nothing. */
export const chatRequest = z
  .object({
    model: z.string().min(1).max(256),
    messages: z
      .array(
        z.object({
          role: z.string(),
          content: z.unknown().optional(),
          tool_calls: z.array(z.object({ id: z.string().min(1) }).loose()).optional(),
          tool_call_id: z.string().optional(),
        }),
      )
      .min(1),
    stream: z.boolean().nullish(),
    stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
    max_tokens: maxTokens,
    max_completion_tokens: maxTokens,
    n: z.int().min(1).max(128).nullish(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().min(0).max(1).nullish(),
    stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
    tools: z.array(tool).optional(),
    tool_choice: toolChoice.optional(),
    parallel_tool_calls: z.boolean().optional(),
    response_format: responseFormat.optional(),
    reasoning_effort: z.enum(efforts).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
  })
  .refine((body) => body.stream || !body.stream_options, {
    path: ['stream_options'],
    message: "the 'stream_options' parameter is only allowed when 'stream' is enabled",
  });

export type ChatRequest = z.output<typeof chatRequest>;

/** What the answer is planned from. `tools` as they came: everything that is said of them is prompt. */
export function askOf(request: ChatRequest, tools: unknown): Ask {
  const { model, messages, stop, tool_choice: choice, reasoning_effort: effort } = request;
  const last = messages.at(-1)?.role;
  return {
    model,
    promptText: '',
    extraPromptTokens: 0,
    prompt: digestMessages(messages, tools),
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? null,
    stop: typeof stop === 'string' ? [stop] : (stop ?? []),
    tools: toolsOf(request),
    toolChoice: choiceOf(choice),
    parallel: request.parallel_tool_calls ?? true,
    afterToolResult: last === 'tool' || last === 'function',
    schema: schemaOf(request.response_format),
    showReasoning: effort !== undefined && effort !== null && effort !== 'none',
  };
}

/** Free text for a custom tool is an object's JSON, too: nobody reads it. */
function toolsOf({ tools, tool_choice: choice }: ChatRequest): Ask['tools'] {
  const all = (tools ?? []).map((made) =>
    made.type === 'function'
      ? { name: made.function.name, schema: made.function.parameters }
      : { name: made.custom.name, schema: undefined },
  );
  if (typeof choice !== 'object' || choice.type !== 'allowed_tools') return all;
  const allowed = new Set(choice.allowed_tools.tools.map(nameOf));
  return all.filter(({ name }) => allowed.has(name));
}

function choiceOf(choice: ChatRequest['tool_choice']): Ask['toolChoice'] {
  if (choice === undefined) return 'auto';
  if (typeof choice === 'string') return choice;
  return choice.type === 'allowed_tools' ? choice.allowed_tools.mode : { name: nameOf(choice) };
}

function nameOf(choice: z.output<typeof chosen>): string {
  return choice.type === 'function' ? choice.function.name : choice.custom.name;
}

function schemaOf(format: ChatRequest['response_format']): unknown {
  if (format === undefined || format.type === 'text') return null;
  return format.type === 'json_schema' ? format.json_schema.schema : {};
}

/** Names of tools that take free text in place of arguments. */
export function customTools({ tools }: ChatRequest): ReadonlySet<string> {
  return new Set((tools ?? []).flatMap((made) => (made.type === 'custom' ? [made.custom.name] : [])));
}
