import { z } from 'zod';
import type { Ask } from '../../plan.ts';

const count = z.int().positive().nullish();
const functionTool = z.object({
  type: z.literal('function'),
  name: z.string().min(1),
  parameters: z.record(z.string(), z.unknown()).nullish(),
});
/** What OpenAI would run itself; the simulator runs nothing. */
const builtInTool = z.object({ type: z.string() });
const item = z.looseObject({ type: z.string().nullish(), role: z.string().nullish() });

export const responsesRequest = z.object({
  model: z.string().min(1).max(256),
  input: z.union([z.string(), z.array(item).min(1)]),
  instructions: z.string().nullish(),
  stream: z.boolean().nullish(),
  store: z.boolean().nullish(),
  background: z.boolean().nullish(),
  previous_response_id: z.string().nullish(),
  conversation: z.union([z.string(), z.object({ id: z.string() })]).nullish(),
  prompt: z.looseObject({ id: z.string() }).nullish(),
  max_output_tokens: count,
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools: z.array(z.union([functionTool, builtInTool])).nullish(),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.object({ type: z.literal('function'), name: z.string() }),
      z.object({
        type: z.literal('allowed_tools'),
        mode: z.enum(['auto', 'required']),
        tools: z.array(z.looseObject({ name: z.string().optional() })),
      }),
      builtInTool,
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z
    .object({
      format: z
        .union([
          z.object({ type: z.literal('text') }),
          z.object({ type: z.literal('json_object') }),
          z.looseObject({
            type: z.literal('json_schema'),
            name: z.string(),
            schema: z.record(z.string(), z.unknown()),
          }),
        ])
        .optional(),
      verbosity: z.enum(['low', 'medium', 'high']).nullish(),
    })
    .nullish(),
  reasoning: z
    .looseObject({
      effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
    })
    .nullish(),
  include: z.array(z.string()).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  user: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
});

export type ResponsesRequest = z.output<typeof responsesRequest>;
export type Item = z.output<typeof item>;

/** What OpenAI charges around each item, and for an image of low detail. */
const ITEM_TOKENS = 3;
const ANSWER_TOKENS = 3;
const IMAGE_TOKENS = 85;

/** As much of a request as its answer depends on. */
export function askOf(request: ResponsesRequest): Ask {
  const items: readonly Item[] =
    typeof request.input === 'string' ? [{ role: 'user', content: request.input }] : request.input;
  const parts = items.flatMap(partsOf);
  const texts = [request.instructions ?? '', ...items.map(({ role }) => role ?? ''), ...parts.map(textOf)];
  if (request.tools) texts.push(JSON.stringify(request.tools));
  const images = parts.filter(isFile).length;
  const { tools, toolChoice } = toolsOf(request);
  return {
    model: request.model,
    promptText: texts.join('\n'),
    extraPromptTokens: ANSWER_TOKENS + ITEM_TOKENS * items.length + IMAGE_TOKENS * images,
    maxTokens: request.max_output_tokens ?? null,
    stop: [],
    tools,
    toolChoice,
    parallel: request.parallel_tool_calls ?? true,
    afterToolResult: items.at(-1)?.type === 'function_call_output',
    schema: schemaOf(request),
    showReasoning: (request.reasoning?.summary ?? null) !== null,
  };
}

function partsOf(item: Item): unknown[] {
  return [item['content'], item['output'], item['arguments'], item['summary']].flatMap((field) =>
    field === undefined || field === null ? [] : Array.isArray(field) ? field : [field],
  );
}

function textOf(part: unknown): string {
  if (typeof part === 'string') return part;
  if (typeof part !== 'object' || part === null) return '';
  const { text, refusal } = part as Record<string, unknown>;
  return typeof text === 'string' ? text : typeof refusal === 'string' ? refusal : '';
}

function isFile(part: unknown): boolean {
  if (typeof part !== 'object' || part === null || !('type' in part)) return false;
  return part.type === 'input_image' || part.type === 'input_file';
}

function toolsOf({ tools, tool_choice: choice }: ResponsesRequest): Pick<Ask, 'tools' | 'toolChoice'> {
  const functions = (tools ?? []).flatMap((tool) =>
    'name' in tool ? [{ name: tool.name, schema: tool.parameters ?? {} }] : [],
  );
  if (typeof choice === 'string') return { tools: functions, toolChoice: choice };
  if (choice && 'name' in choice) return { tools: functions, toolChoice: { name: choice.name } };
  if (choice && 'mode' in choice) {
    const allowed = new Set(choice.tools.map(({ name }) => name));
    return { tools: functions.filter(({ name }) => allowed.has(name)), toolChoice: choice.mode };
  }
  return { tools: functions, toolChoice: 'auto' };
}

function schemaOf({ text }: ResponsesRequest): unknown {
  const format = text?.format;
  if (format === undefined || format.type === 'text') return null;
  return 'schema' in format ? format.schema : {};
}
