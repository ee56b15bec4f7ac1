import { z } from 'zod';

/** What a message of the API holds; ProtoJSON refuses every other name. */
const blob = z.strictObject({ mimeType: z.string(), data: z.string(), displayName: z.string().optional() });
const file = z.strictObject({
  fileUri: z.string(),
  mimeType: z.string().optional(),
  displayName: z.string().optional(),
});
const record = z.record(z.string(), z.unknown());

const part = z.strictObject({
  text: z.string().optional(),
  thought: z.boolean().optional(),
  thoughtSignature: z.string().optional(),
  inlineData: blob.optional(),
  fileData: file.optional(),
  functionCall: z.strictObject({ id: z.string().optional(), name: z.string(), args: record.optional() }).optional(),
  functionResponse: z
    .strictObject({
      id: z.string().optional(),
      name: z.string(),
      response: record,
      parts: z.array(z.unknown()).optional(),
      willContinue: z.boolean().optional(),
      scheduling: z.string().optional(),
    })
    .optional(),
  executableCode: z.unknown().optional(),
  codeExecutionResult: z.unknown().optional(),
  videoMetadata: z.unknown().optional(),
  mediaResolution: z.unknown().optional(),
});

const content = z.strictObject({
  role: z.enum(['user', 'model', 'function'], 'Please use a valid role: user, model.').optional(),
  parts: z.array(part).min(1),
});

const declaration = z.strictObject({
  name: z.string().min(1),
  description: z.string().optional(),
  parameters: z.unknown().optional(),
  parametersJsonSchema: z.unknown().optional(),
  response: z.unknown().optional(),
  responseJsonSchema: z.unknown().optional(),
  behavior: z.string().optional(),
});

const generationConfig = z.strictObject({
  temperature: z.number().min(0).max(2).optional(),
  topP: z.number().optional(),
  topK: z.number().optional(),
  candidateCount: z.int().min(1).max(8).optional(),
  maxOutputTokens: z.int().min(1).optional(),
  stopSequences: z.array(z.string()).max(5).optional(),
  responseMimeType: z.string().optional(),
  responseSchema: z.unknown().optional(),
  responseJsonSchema: z.unknown().optional(),
  responseModalities: z.array(z.string()).optional(),
  seed: z.int().optional(),
  presencePenalty: z.number().optional(),
  frequencyPenalty: z.number().optional(),
  responseLogprobs: z.boolean().optional(),
  logprobs: z.int().min(0).max(20).optional(),
  thinkingConfig: z
    .strictObject({
      thinkingBudget: z.int().optional(),
      thinkingLevel: z.string().optional(),
      includeThoughts: z.boolean().optional(),
    })
    .optional(),
  speechConfig: z.unknown().optional(),
  imageConfig: z.unknown().optional(),
  mediaResolution: z.unknown().optional(),
});

/** A GenerateContentRequest. */
export const generateRequest = z.strictObject({
  model: z.string().nullish(),
  contents: z.array(content).min(1),
  systemInstruction: z.strictObject({ role: z.string().optional(), parts: z.array(part) }).optional(),
  tools: z.array(z.looseObject({ functionDeclarations: z.array(declaration).optional() })).optional(),
  toolConfig: z
    .looseObject({
      functionCallingConfig: z
        .strictObject({
          mode: z.enum(['MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED']).optional(),
          allowedFunctionNames: z.array(z.string()).optional(),
        })
        .optional(),
    })
    .optional(),
  generationConfig: generationConfig.optional(),
  safetySettings: z.array(z.unknown()).optional(),
  cachedContent: z.string().optional(),
  labels: record.optional(),
  serviceTier: z.string().optional(),
  store: z.boolean().optional(),
});
export type GenerateRequest = z.output<typeof generateRequest>;
export type Part = z.output<typeof part>;

export const countRequest = z.strictObject({
  contents: z.array(content).optional(),
  generateContentRequest: generateRequest.optional(),
});

export const embedRequest = z.strictObject({
  model: z.string().nullish(),
  content: z.strictObject({ role: z.string().optional(), parts: z.array(part).min(1) }),
  taskType: z.string().optional(),
  title: z.string().optional(),
  outputDimensionality: z.int().min(1).max(3072).optional(),
});

export const batchEmbedRequest = z.strictObject({
  requests: z
    .array(embedRequest.extend({ model: z.string() }))
    .min(1)
    .max(100),
});

/** Below these names every key is the caller's own. */
const OPAQUE: ReadonlySet<string> = new Set([
  ...['args', 'response', 'parameters', 'parametersJsonSchema', 'responseSchema', 'responseJsonSchema', 'labels'],
]);

/** The fields of a body in camelCase: the API reads both spellings. */
export function camelFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelFields);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      return [camel, OPAQUE.has(camel) ? inner : camelFields(inner)];
    }),
  );
}
