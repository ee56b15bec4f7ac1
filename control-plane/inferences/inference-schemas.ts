import { z } from '@hono/zod-openapi';
import { nameSchema, OPERATIONS } from '#core/names.ts';
import { pageQuerySchema } from '../paging.ts';

const time = z.iso.datetime({ offset: true });

export const inferenceQuerySchema = pageQuerySchema.extend({
  group: nameSchema
    .optional()
    .openapi({ description: 'Name or id; deleted groups are found too. Without it: all groups.' }),
  variant: nameSchema.optional().openapi({ description: 'The variant that the split assigned.' }),
  status: z
    .string()
    .regex(/^([1-5]\d\d|[1-5]xx)$/, 'is a status like 200 or a class like 2xx')
    .optional()
    .openapi({ example: '2xx' }),
  outcome: z.enum(['completed', 'failed', 'client_closed', 'interrupted']).optional(),
  since: time
    .optional()
    .openapi({ description: 'Inferences at or after this moment.', example: '2030-01-01T00:00:00Z' }),
  until: time.optional().openapi({ description: 'Inferences before this moment.' }),
});

const nullableInt = z.int().nullable();
const nullableMs = z.number().nullable();

export const inferenceSchema = z
  .object({
    id: z.uuid(),
    createdAt: z.iso.datetime(),
    group: z.string(),
    operation: z.enum(OPERATIONS),
    dialect: z.string(),
    streamed: z.boolean(),
    assignedVariant: z.string(),
    servedVariant: z.string().nullable(),
    servedReason: z.string(),
    unit: z.string(),
    unitSource: z.string(),
    bucket: z.int(),
    range: z
      .object({ from: z.int(), to: z.int() })
      .openapi({ description: 'The range that held the bucket, `[from, to)`.' }),
    hashVersion: z.int(),
    phase: z.int(),
    configVersion: z.int(),
    keyId: z.uuid(),
    status: z.int(),
    outcome: z.string(),
    errorCode: z.string().nullable(),
    endReason: z.string(),
    finishReason: z.string().nullable(),
    usage: z.object({
      inputTokens: nullableInt,
      outputTokens: nullableInt,
      cachedTokens: nullableInt,
      reasoningTokens: nullableInt,
    }),
    costMicroUsd: nullableInt,
    timings: z.object({
      queueMs: nullableMs,
      connectMs: nullableMs,
      firstByteMs: nullableMs,
      firstTokenMs: nullableMs,
      totalMs: z.number(),
    }),
    attempts: z.array(
      z.object({
        provider: z.string(),
        model: z.string(),
        upstreamModel: z.string(),
        status: nullableInt,
        errorCode: z.string().nullable(),
        startMs: z.number(),
        connectMs: nullableMs,
        firstByteMs: nullableMs,
        endMs: z.number(),
        requestId: z.string().nullable(),
      }),
    ),
    traceId: z.string(),
    requestBytes: z.int(),
    responseBytes: z.int(),
  })
  .openapi('Inference');

const payloadSchema = z.object({
  contentType: z.string().optional(),
  bytes: z.int(),
  sha256: z.string().nullable(),
  truncated: z.boolean(),
  captured: z.boolean(),
  body: z.unknown().openapi({ description: 'Parsed JSON, else text; null when it was not captured.' }),
});

export const inferenceDetailSchema = inferenceSchema
  .extend({
    assignmentExplained: z.string().openapi({ example: 'bucket 4711 in [0, 9000) → gpt-small' }),
    request: payloadSchema,
    response: payloadSchema,
  })
  .openapi('InferenceDetail');

export type InferenceQuery = z.output<typeof inferenceQuerySchema>;
export type InferenceView = z.output<typeof inferenceSchema>;
export type PayloadView = z.output<typeof payloadSchema>;
export type InferenceDetailView = z.output<typeof inferenceDetailSchema>;
