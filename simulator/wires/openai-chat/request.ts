import { z } from 'zod';
import type { Problem } from '../../dialect.ts';
import { callSchema, namedToolSchema, toolSchema } from './prompt.ts';

const part = z.looseObject({ type: z.enum(['text', 'image_url', 'input_audio', 'file', 'refusal']) });
const content = z.union([z.string(), z.array(part)]);
const name = z.string().optional();

/** Messages as OpenAI and the servers like it take them. */
export const messagesSchema = z
  .array(
    z.discriminatedUnion('role', [
      z.strictObject({ role: z.enum(['system', 'developer']), content, name }),
      z.strictObject({ role: z.literal('user'), content, name }),
      z.strictObject({
        role: z.literal('assistant'),
        content: content.nullish(),
        name,
        refusal: z.string().nullish(),
        reasoning_content: z.string().optional(),
        tool_calls: z.array(callSchema).optional(),
      }),
      z.strictObject({ role: z.literal('tool'), content, tool_call_id: z.string().min(1) }),
    ]),
  )
  .min(1);

/** The parameters that all of them know. */
export const commonFields = {
  model: z.string().min(1).max(256),
  messages: messagesSchema,
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().optional() }).nullish(),
  max_tokens: z.int().positive().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().positive().max(1).nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  logprobs: z.boolean().nullish(),
  tools: z.array(toolSchema).optional(),
  tool_choice: z.union([z.enum(['auto', 'none', 'required']), namedToolSchema]).optional(),
} as const;

/** OpenAI's two kinds of JSON. */
export const formatSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: z.string(),
      description: z.string().optional(),
      schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().nullish(),
    }),
  }),
]);

/** The schema that an answer must have, as a plan wants it. */
export function schemaOf(format: z.output<typeof formatSchema> | null | undefined): unknown {
  if (format?.type === 'json_schema') return format.json_schema.schema;
  return format?.type === 'json_object' ? {} : null;
}

export function stopsOf(stop: string | readonly string[] | null | undefined): readonly string[] {
  return typeof stop === 'string' ? [stop] : (stop ?? []);
}

/** The first thing that zod found wrong with a body, in OpenAI's words. */
export function badRequest(error: z.ZodError): Problem {
  const issue = error.issues[0];
  if (issue?.code === 'unrecognized_keys') {
    const message = `Unrecognized request argument supplied: ${issue.keys.join(', ')}`;
    return { kind: 'bad-request', message, field: issue.keys[0] ?? null, missing: false };
  }
  const path = issue?.path ?? [];
  const field = path.length === 0 ? null : z.core.toDotPath(path);
  return {
    kind: 'bad-request',
    message: `Invalid value for '${field ?? 'body'}': ${issue?.message}`,
    field,
    missing: false,
  };
}
