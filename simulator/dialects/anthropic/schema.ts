import { z } from 'zod';

const cacheControl = z.strictObject({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).optional() }).nullish();
const source = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('base64'), media_type: z.string(), data: z.string().min(1) }),
  z.strictObject({ type: z.literal('url'), url: z.string() }),
  z.strictObject({ type: z.literal('file'), file_id: z.string() }),
  z.strictObject({ type: z.literal('text'), media_type: z.literal('text/plain'), data: z.string() }),
  z.strictObject({ type: z.literal('content'), content: z.unknown() }),
]);
const text = z.strictObject({
  type: z.literal('text'),
  text: z.string().min(1, 'text content blocks must be non-empty'),
  citations: z.array(z.unknown()).nullish(),
  cache_control: cacheControl,
});
const image = z.strictObject({ type: z.literal('image'), source, cache_control: cacheControl });
const document = z.strictObject({
  type: z.literal('document'),
  source,
  title: z.string().nullish(),
  context: z.string().nullish(),
  citations: z.strictObject({ enabled: z.boolean().optional() }).nullish(),
  cache_control: cacheControl,
});
const callId = z.string().regex(/^[a-zA-Z0-9_-]+$/);
const block = z.discriminatedUnion('type', [
  text,
  image,
  document,
  z.strictObject({
    type: z.literal('tool_use'),
    id: callId,
    name: z.string(),
    input: z.record(z.string(), z.unknown()),
    caller: z.unknown().optional(),
    cache_control: cacheControl,
  }),
  z.strictObject({
    type: z.literal('tool_result'),
    tool_use_id: callId,
    content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, image, document]))]).optional(),
    is_error: z.boolean().optional(),
    cache_control: cacheControl,
  }),
  z.strictObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() }),
  z.strictObject({ type: z.literal('redacted_thinking'), data: z.string() }),
]);
const content = z.union([z.string(), z.array(block)]);
const display = z.enum(['summarized', 'omitted']).nullish();
const parallel = { disable_parallel_tool_use: z.boolean().optional() };

const prompt = {
  model: z.string().min(1).max(256),
  messages: z.array(z.strictObject({ role: z.enum(['user', 'assistant', 'system']), content })).min(1),
  system: z.union([z.string(), z.array(text)]).optional(),
  thinking: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('enabled'), budget_tokens: z.int().min(1024), display }),
      z.strictObject({ type: z.literal('adaptive'), display }),
      z.strictObject({ type: z.literal('disabled') }),
    ])
    .optional(),
  tool_choice: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('auto'), ...parallel }),
      z.strictObject({ type: z.literal('any'), ...parallel }),
      z.strictObject({ type: z.literal('tool'), name: z.string(), ...parallel }),
      z.strictObject({ type: z.literal('none') }),
    ])
    .optional(),
  tools: z
    .array(
      z.object({
        type: z.literal('custom').nullish(),
        name: z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/),
        description: z.string().optional(),
        input_schema: z.looseObject({ type: z.literal('object') }),
        cache_control: cacheControl,
      }),
    )
    .optional(),
  output_config: z
    .strictObject({
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      format: z.strictObject({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) }).nullish(),
    })
    .optional(),
  cache_control: cacheControl,
};

/** The body of `POST /v1/messages`, as strict as the API: a field that it does not know is refused. */
export const messagesRequest = z.strictObject({
  ...prompt,
  max_tokens: z.int().min(1),
  stream: z.boolean().nullish(),
  stop_sequences: z
    .array(z.string().refine((value) => value.trim() !== '', 'each stop sequence must contain non-whitespace'))
    .optional(),
  temperature: z.number().min(0).max(1).optional(),
  top_p: z.number().min(0).max(1).optional(),
  top_k: z.int().min(0).optional(),
  metadata: z.strictObject({ user_id: z.string().max(256).nullish() }).optional(),
  service_tier: z.enum(['auto', 'standard_only']).optional(),
});

/** The body of `POST /v1/messages/count_tokens`. */
export const countRequest = z.strictObject(prompt);

export type MessagesRequest = z.output<typeof messagesRequest>;
export type Prompt = z.output<typeof countRequest>;
export type Block = z.output<typeof block>;
