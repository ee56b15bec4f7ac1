import { z } from 'zod';
import type { Problem } from '../../dialect.ts';
import type { Ask } from '../../plan.ts';
import { badRequest } from './errors.ts';

const json = z.record(z.string(), z.unknown());
const media = z.object({ format: z.string(), source: json });
const cachePoint = z.object({ type: z.literal('default'), ttl: z.enum(['5m', '1h']).optional() });
const resultBlock = z.object({
  text: z.string().optional(),
  json: z.unknown().optional(),
  image: media.optional(),
  document: json.optional(),
});
const block = z.object({
  text: z.string().optional(),
  image: media.optional(),
  audio: media.optional(),
  video: media.optional(),
  document: z.object({ format: z.string().optional(), name: z.string().min(1).max(200), source: json }).optional(),
  toolUse: z.object({ toolUseId: z.string().min(1).max(64), name: z.string(), input: json }).optional(),
  toolResult: z
    .object({
      toolUseId: z.string().min(1).max(64),
      content: z.array(resultBlock),
      status: z.enum(['success', 'error']).optional(),
    })
    .optional(),
  reasoningContent: json.optional(),
  citationsContent: z.object({ content: z.array(z.object({ text: z.string() })) }).optional(),
  cachePoint: cachePoint.optional(),
});

const converseRequest = z.object({
  messages: z.array(z.object({ role: z.enum(['user', 'assistant']), content: z.array(block).min(1) })).min(1),
  system: z.array(z.object({ text: z.string().min(1).optional(), cachePoint: cachePoint.optional() })).optional(),
  inferenceConfig: z
    .object({
      maxTokens: z.int().min(1).optional(),
      temperature: z.number().min(0).max(1).optional(),
      topP: z.number().min(0).max(1).optional(),
      stopSequences: z.array(z.string().min(1)).max(2500).optional(),
    })
    .optional(),
  toolConfig: z
    .object({
      tools: z
        .array(
          z.object({
            toolSpec: z
              .object({
                name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
                description: z.string().min(1).optional(),
                inputSchema: z.object({ json }),
              })
              .optional(),
            cachePoint: cachePoint.optional(),
          }),
        )
        .min(1),
      toolChoice: z
        .union([
          z.strictObject({ auto: json }),
          z.strictObject({ any: json }),
          z.strictObject({ tool: z.object({ name: z.string() }) }),
        ])
        .optional(),
    })
    .optional(),
  outputConfig: z
    .object({
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).optional(),
      textFormat: z
        .object({
          type: z.literal('json_schema'),
          structure: z.object({ jsonSchema: z.object({ schema: z.string() }) }),
        })
        .optional(),
    })
    .optional(),
  additionalModelRequestFields: json.optional(),
  additionalModelResponseFieldPaths: z.array(z.string().startsWith('/')).max(10).optional(),
});

type ConverseRequest = z.output<typeof converseRequest>;

/** A request as its answer depends on it. */
export interface ReadConverse {
  readonly kind: 'converse';
  readonly ask: Ask;
  /** Whether the answer shall say which stop text ended it. */
  readonly tellsStop: boolean;
}

const MEDIA_TOKENS = 85;

/** Reads the body of `Converse`; the model is the path's. */
export function readConverse(model: string, body: unknown): ReadConverse | Problem {
  const parsed = converseRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error);
  const request = parsed.data;
  const fault = faultOf(request);
  if (fault !== null) return { kind: 'bad-request', message: fault, field: null, missing: false };
  const schema = request.outputConfig?.textFormat?.structure.jsonSchema.schema;
  return {
    kind: 'converse',
    ask: { ...readAsk(model, request), schema: schema === undefined ? null : JSON.parse(schema) },
    tellsStop: request.additionalModelResponseFieldPaths?.includes('/stop_sequence') ?? false,
  };
}

/** What Bedrock says of conversations that are no conversations. */
function faultOf({ messages, toolConfig, outputConfig }: ConverseRequest): string | null {
  if (messages[0]?.role !== 'user') return 'A conversation must start with a user message.';
  for (const [at, { role, content }] of messages.entries()) {
    if (role === messages[at - 1]?.role) return 'A conversation must alternate between user and assistant roles.';
    const blank = content.findIndex(({ text }) => text !== undefined && text.trim() === '');
    if (blank !== -1) {
      return `The text field in the ContentBlock object at messages.${at}.content.${blank} is blank. Add text to the text field, and try again.`;
    }
    const usesTools = content.some(({ toolUse, toolResult }) => toolUse ?? toolResult);
    if (usesTools && !toolConfig) {
      return 'The toolConfig field must be defined when using toolUse and toolResult content blocks.';
    }
  }
  const schema = outputConfig?.textFormat?.structure.jsonSchema.schema;
  if (schema === undefined) return null;
  try {
    JSON.parse(schema);
    return null;
  } catch {
    return 'The JSON schema is not JSON.';
  }
}

function readAsk(model: string, request: ConverseRequest): Ask {
  const { messages, system, inferenceConfig, toolConfig, additionalModelRequestFields: fields } = request;
  const texts = (system ?? []).map(({ text }) => text ?? '');
  let extraPromptTokens = 0;
  for (const { role, content } of messages) {
    texts.push(role);
    for (const part of content) {
      texts.push(textOf(part));
      if (part.image ?? part.document ?? part.audio ?? part.video) extraPromptTokens += MEDIA_TOKENS;
    }
  }
  const tools = (toolConfig?.tools ?? []).flatMap(({ toolSpec }) =>
    toolSpec === undefined ? [] : [{ name: toolSpec.name, schema: toolSpec.inputSchema.json }],
  );
  if (tools.length > 0) texts.push(JSON.stringify(tools));
  const thinking = fields?.['thinking'] as { type?: unknown; display?: unknown } | undefined;
  return {
    model,
    promptText: texts.join('\n'),
    extraPromptTokens,
    maxTokens: inferenceConfig?.maxTokens ?? null,
    stop: inferenceConfig?.stopSequences ?? [],
    tools,
    toolChoice: choiceOf(toolConfig?.toolChoice),
    parallel: true,
    afterToolResult: messages.at(-1)?.content.some(({ toolResult }) => toolResult !== undefined) ?? false,
    schema: null,
    showReasoning:
      thinking === undefined
        ? request.outputConfig?.effort !== undefined
        : ['enabled', 'adaptive'].includes(String(thinking.type)) && thinking.display !== 'omitted',
  };
}

function textOf({ text, toolUse, toolResult, citationsContent }: z.output<typeof block>): string {
  if (text !== undefined) return text;
  if (toolUse) return `${toolUse.name} ${JSON.stringify(toolUse.input)}`;
  if (toolResult) return toolResult.content.map((part) => part.text ?? JSON.stringify(part.json ?? null)).join('\n');
  return citationsContent?.content.map((part) => part.text).join('') ?? '';
}

function choiceOf(choice: NonNullable<ConverseRequest['toolConfig']>['toolChoice']): Ask['toolChoice'] {
  if (choice === undefined || 'auto' in choice) return 'auto';
  return 'any' in choice ? 'required' : { name: choice.tool.name };
}
