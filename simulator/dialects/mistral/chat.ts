import { z } from 'zod';
import type { AnswerContext, Call, Problem } from '../../dialect.ts';
import { type Ask, type Plan, planAnswer } from '../../plan.ts';
import { drawText } from '../../random.ts';
import {
  type Delta,
  plainCompletion,
  type Style,
  streamedCompletion,
  usageOf,
} from '../../wires/openai-chat/completion.ts';
import {
  callSchema,
  namedToolSchema,
  readChoice,
  readPrompt,
  readTools,
  toolSchema,
} from '../../wires/openai-chat/prompt.ts';
import { badRequest } from './errors.ts';

const text = z.strictObject({ type: z.literal('text'), text: z.string() });
const thinking = z.strictObject({
  type: z.literal('thinking'),
  thinking: z.array(text),
  closed: z.boolean().optional(),
});
const url = z.strictObject({ url: z.string().min(1), detail: z.enum(['auto', 'low', 'high']).optional() });
const media = [
  z.strictObject({ type: z.literal('image_url'), image_url: z.union([z.string(), url]) }),
  z.strictObject({ type: z.literal('document_url'), document_url: z.string(), document_name: z.string().optional() }),
  z.strictObject({ type: z.literal('file'), file_id: z.string() }),
  z.strictObject({ type: z.literal('input_audio'), input_audio: z.string() }),
] as const;
const callId = z.string().regex(/^[A-Za-z0-9]{9}$/, 'must be a-z, A-Z, 0-9, with a length of 9');

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), content: z.union([z.string(), z.array(text)]) }),
  z.strictObject({
    role: z.literal('user'),
    content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, ...media]))]),
  }),
  z.strictObject({
    role: z.literal('assistant'),
    content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, thinking]))]).nullish(),
    tool_calls: z.array(callSchema.extend({ id: callId })).nullish(),
    prefix: z.boolean().optional(),
  }),
  z.strictObject({
    role: z.literal('tool'),
    content: z.union([z.string(), z.array(text)]),
    tool_call_id: callId,
    name: z.string().optional(),
  }),
]);

const chatSchema = z.strictObject({
  model: z.string().min(1).max(256),
  messages: z.array(message).min(1),
  stream: z.boolean().optional(),
  temperature: z.number().min(0).max(1.5).nullish(),
  top_p: z.number().positive().max(1).optional(),
  max_tokens: z.int().min(0).nullish(),
  stop: z.union([z.string(), z.array(z.string())]).optional(),
  random_seed: z.int().min(0).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  response_format: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('text') }),
      z.strictObject({ type: z.literal('json_object') }),
      z.strictObject({
        type: z.literal('json_schema'),
        json_schema: z.strictObject({
          name: z.string(),
          description: z.string().nullish(),
          schema: z.record(z.string(), z.unknown()),
          strict: z.boolean().optional(),
        }),
      }),
    ])
    .optional(),
  tools: z.array(toolSchema).nullish(),
  tool_choice: z.union([z.enum(['auto', 'none', 'any', 'required']), namedToolSchema]).optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  n: z.int().min(1).max(16).nullish(),
  prediction: z.strictObject({ type: z.literal('content'), content: z.string() }).optional(),
  parallel_tool_calls: z.boolean().optional(),
  prompt_mode: z.literal('reasoning').nullish(),
  reasoning_effort: z.enum(['none', 'high']).optional(),
  safe_prompt: z.boolean().optional(),
});

type MistralChat = z.output<typeof chatSchema>;

/** `POST /v1/chat/completions`. */
export function readChat(body: unknown): Call | Problem {
  const parsed = chatSchema.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error);
  const request = parsed.data;
  const last = request.messages.at(-1)!;
  if (last.role === 'system' || (last.role === 'assistant' && last.prefix !== true)) {
    const expected = 'Expected last role User or Tool (or Assistant with prefix True) for serving';
    return { kind: 'bad-request', message: `${expected} but got ${last.role}`, field: null, missing: false };
  }
  const stream = request.stream ?? false;
  return {
    kind: 'call',
    model: request.model,
    stream,
    answer(context) {
      const plans = Array.from({ length: request.n ?? 1 }, (_, at) => planAnswer(askOf(request), context, at));
      const write = stream ? streamedCompletion : plainCompletion;
      return write(styleOf(request, context), plans, usageOf(plans, context.behaviour.usage));
    },
  };
}

function askOf(request: MistralChat): Ask {
  const { stop, response_format: format } = request;
  return {
    model: request.model,
    ...readPrompt(request.messages, request.tools ?? undefined),
    maxTokens: request.max_tokens ?? null,
    stop: typeof stop === 'string' ? [stop] : (stop ?? []),
    tools: readTools(request.tools ?? undefined),
    toolChoice: readChoice(request.tool_choice),
    parallel: request.parallel_tool_calls ?? true,
    schema: format?.type === 'json_schema' ? format.json_schema.schema : format?.type === 'json_object' ? {} : null,
    showReasoning: request.reasoning_effort === 'high' || request.prompt_mode === 'reasoning',
  };
}

function styleOf(request: MistralChat, { createdSeconds, random }: AnswerContext): Style {
  const calls = (plan: Plan) =>
    plan.calls.map(({ idText, name, arguments: args }, index) => {
      return { id: idText.slice(0, 9), type: 'function', function: { name, arguments: args }, index };
    });
  const think = (thoughts: string) => ({ type: 'thinking', thinking: [{ type: 'text', text: thoughts }] });
  return {
    head: { id: drawText(random, 32).toLowerCase(), created: createdSeconds, model: request.model },
    plainObject: 'chat.completion',
    message: (plan) => ({
      role: 'assistant',
      content:
        plan.reasoning.length === 0
          ? plan.text.join('')
          : [
              think(plan.reasoning.join('')),
              ...(plan.calls.length > 0 ? [] : [{ type: 'text', text: plan.text.join('') }]),
            ],
      tool_calls: plan.calls.length === 0 ? null : calls(plan),
      prefix: false,
    }),
    *deltas(plan): Iterable<Delta> {
      yield { delta: { role: 'assistant', content: '' }, tokens: 0 };
      for (const thought of plan.reasoning) yield { delta: { content: [think(thought)] }, tokens: 1 };
      for (const content of plan.text) yield { delta: { content }, tokens: 1 };
      // Whole, as Mistral sends them.
      if (plan.calls.length > 0) yield { delta: { content: '', tool_calls: calls(plan) }, tokens: plan.calls.length };
    },
    finish: ({ finish }) => (finish === 'length' || finish === 'tool_calls' ? finish : 'stop'),
    choice: () => ({}),
    streamUsage: 'last',
    before: [],
    after: [],
  };
}
