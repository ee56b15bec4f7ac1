import { z } from 'zod';
import type { Problem } from '../../dialect.ts';
import type { Ask } from '../../plan.ts';

const text = z.strictObject({ type: z.literal('text'), text: z.string() });
const thinking = z.strictObject({ type: z.literal('thinking'), thinking: z.string() });
const image = z.strictObject({
  type: z.literal('image_url'),
  image_url: z.strictObject({ url: z.string().min(1), detail: z.enum(['auto', 'low', 'high']).optional() }),
});
const data = z.record(z.string(), z.unknown());
const documentSchema = z.strictObject({ id: z.string().optional(), data });
const document = z.strictObject({ type: z.literal('document'), document: documentSchema });
const call = z.strictObject({
  id: z.string().min(1),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string().min(1), arguments: z.string() }),
});

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), content: z.union([z.string(), z.array(text)]) }),
  z.strictObject({
    role: z.literal('user'),
    content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, image]))]),
  }),
  z.strictObject({
    role: z.literal('assistant'),
    content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, thinking]))]).optional(),
    tool_plan: z.string().optional(),
    tool_calls: z.array(call).optional(),
    citations: z.array(z.unknown()).optional(),
  }),
  z.strictObject({
    role: z.literal('tool'),
    tool_call_id: z.string().min(1),
    content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, document]))]),
  }),
]);

const tool = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({ name: z.string().min(1), description: z.string().optional(), parameters: data }),
});

const penalty = z.number().min(0).max(1);

/** Cohere's limits are in it: what the real API would not take is refused here, too. */
export const chatSchema = z.strictObject({
  model: z.string().min(1).max(256),
  stream: z.boolean().optional(),
  messages: z.array(message).min(1),
  tools: z.array(tool).optional(),
  strict_tools: z.boolean().optional(),
  documents: z.array(z.union([z.string(), documentSchema])).optional(),
  citation_options: z.strictObject({ mode: z.enum(['ENABLED', 'DISABLED', 'FAST', 'ACCURATE', 'OFF']) }).optional(),
  response_format: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('text') }),
      z.strictObject({ type: z.literal('json_object'), json_schema: data.optional() }),
    ])
    .optional(),
  safety_mode: z.enum(['CONTEXTUAL', 'STRICT', 'OFF']).optional(),
  max_tokens: z.int().positive().optional(),
  stop_sequences: z.array(z.string()).max(5).optional(),
  temperature: z.number().min(0).optional(),
  seed: z.int().optional(),
  frequency_penalty: penalty.optional(),
  presence_penalty: penalty.optional(),
  k: z.int().min(0).max(500).optional(),
  p: z.number().min(0.01).max(0.99).optional(),
  logprobs: z.boolean().optional(),
  tool_choice: z.enum(['REQUIRED', 'NONE']).optional(),
  thinking: z
    .strictObject({ type: z.enum(['enabled', 'disabled']), token_budget: z.int().positive().optional() })
    .optional(),
  priority: z.int().min(0).max(999).optional(),
});

export type CohereChat = z.output<typeof chatSchema>;

/** What Cohere refuses beyond the shape of a body; in its words where its list of errors has them. */
export function findFault({ messages, tools, documents, response_format, tool_choice }: CohereChat): Problem | null {
  const bad = (text: string, field: string | null = null): Problem => {
    return { kind: 'bad-request', message: text, field, missing: false };
  };
  if (messages.findLastIndex(({ role }) => role === 'system') > 0) {
    return bad('system turn must be the first in the list', 'messages');
  }
  if (response_format?.type === 'json_object' && (documents?.length ?? 0) > 0) {
    return bad('invalid request: response_format is not supported with RAG.', 'response_format');
  }
  if (response_format?.type === 'json_object' && (tools?.length ?? 0) > 0) {
    return bad('invalid request: response_format is not supported with tools.', 'response_format');
  }
  if (documents?.length === 0) return bad('invalid request: list of documents must not be empty', 'documents');
  if (tool_choice !== undefined && (tools?.length ?? 0) === 0) {
    return bad('invalid request: tool_choice can only be used with tools.', 'tool_choice');
  }
  const called = new Set<string>();
  for (const turn of messages) {
    if (turn.role === 'assistant') for (const { id } of turn.tool_calls ?? []) called.add(id);
    if (turn.role === 'tool' && !called.has(turn.tool_call_id)) {
      return bad(`invalid request: tool call id ${turn.tool_call_id} not found in the previous tool calls`, 'messages');
    }
  }
  return null;
}

/** Tokens of Cohere's own template around a prompt: read by the model, not billed. */
export const TEMPLATE_TOKENS = 64;
const IMAGE_TOKENS = 256;

/** As much of a request as its answer depends on. */
export function askOf(request: CohereChat): Ask {
  let images = 0;
  const texts: string[] = [];
  for (const turn of request.messages) {
    if (turn.role === 'assistant') texts.push(turn.tool_plan ?? '', JSON.stringify(turn.tool_calls ?? []));
    const { content } = turn;
    if (typeof content === 'string') texts.push(content);
    else {
      for (const part of content ?? []) {
        if (part.type === 'image_url') images++;
        else texts.push(JSON.stringify(part));
      }
    }
  }
  for (const one of [...(request.documents ?? []), ...(request.tools ?? [])]) texts.push(JSON.stringify(one));
  const { tool_choice: choice, response_format: format } = request;
  return {
    model: request.model,
    promptText: texts.join('\n'),
    extraPromptTokens: TEMPLATE_TOKENS + images * IMAGE_TOKENS,
    maxTokens: request.max_tokens ?? null,
    stop: request.stop_sequences ?? [],
    tools: (request.tools ?? []).map((one) => ({ name: one.function.name, schema: one.function.parameters })),
    toolChoice: choice === 'REQUIRED' ? 'required' : choice === 'NONE' ? 'none' : 'auto',
    parallel: true,
    afterToolResult: request.messages.at(-1)?.role === 'tool',
    schema: format?.type === 'json_object' ? (format.json_schema ?? {}) : null,
    showReasoning: request.thinking?.type !== 'disabled',
  };
}
