import { z } from '@hono/zod-openapi';
import { CUT_REASONS, MISSING_REASONS } from '#core/capture-facts.ts';
import { OPERATIONS } from '#core/names.ts';
import { ROLES } from '#core/weights.ts';
import { SPAN_NAMES } from './waterfall.ts';

const nullableInt = z.int().nullable();
const nullableMs = z.number().nullable();

export const inferenceSchema = z
  .object({
    id: z.uuid(),
    createdAt: z.iso.datetime(),
    group: z.string(),
    operation: z.enum(OPERATIONS),
    dialect: z.string().openapi({ description: 'The API in which the application called.', example: 'anthropic' }),
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
    finishReason: z.string().nullable().openapi({ description: "In the provider's own word.", example: 'end_turn' }),
    usage: z.object({
      inputTokens: nullableInt,
      outputTokens: nullableInt,
      cachedTokens: nullableInt,
      reasoningTokens: nullableInt,
    }),
    costMicroUsd: nullableInt.openapi({
      description: 'By `meta.prices` of the model at that time; null when it had none, or the usage is not known.',
    }),
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
    experiment: z.object({ id: z.uuid(), phase: z.int(), arm: z.int() }).nullable().openapi({
      description:
        "Where it counts: the experiment, its phase, and the arm (0 is the champion's, then the challengers'). A mirrored call has the arm of its own model, and counts only as its pair. Null: in none.",
    }),
    shadowOf: z.uuid().nullable().openapi({ description: 'Of a mirrored call: the inference that it mirrors.' }),
    traceId: z.string(),
    metadata: z.record(z.string(), z.unknown()).nullable().openapi({ description: 'What the caller sent along.' }),
    requestBytes: z.int(),
    responseBytes: z.int(),
  })
  .openapi('Inference');

const payloadSchema = z.object({
  contentType: z.string().optional(),
  bytes: z.int(),
  sha256: z.string().nullable().openapi({
    description: 'Of all that was sent; null when not known, and where something was redacted.',
  }),
  truncated: z.boolean().openapi({ description: 'Whether `body` is not all of it; see `cutBy`.' }),
  cutBy: z.array(z.enum(CUT_REASONS)).nullable().openapi({
    description:
      'Why `body` is not all of it: `limit` (longer than `capture.maxBytes`), `reassembly` (parts of a stream did not fit into the message that it makes, or could not be read), `unreadable` (redaction could not read it, a label stands for it), `interrupted` (it did not come to its end). Null when it is cut and the release that recorded it did not say why.',
  }),
  redacted: z.boolean().openapi({
    description:
      'Whether what the policy of the group hides was taken out of it. A stream is then kept as the message that it makes.',
  }),
  captured: z.boolean().openapi({ description: 'Whether anything of it was kept.' }),
  missing: z.enum(MISSING_REASONS).nullable().openapi({
    description:
      'Why nothing was kept: `capture_off` (`capture.mode` is `none`), `not_sampled`, `spool_full` (the policy `metadata-only`), `no_answer` (the caller left before one had begun), `interrupted` (the gateway died before), `binary` (sound, images and uploads are counted only). Null when it was kept, and when the release that recorded it did not say.',
  }),
  body: z.unknown().openapi({ description: 'Parsed JSON, else text; null when it was not captured.' }),
});

const spanSchema = z.object({
  name: z.enum(SPAN_NAMES),
  attempt: z.int().nullable().openapi({ description: 'Index into `attempts`.' }),
  startMs: z.number(),
  endMs: z.number(),
});

const assignmentSchema = z.object({
  role: z
    .enum(ROLES)
    .nullable()
    .openapi({ description: 'Of the variant at that time; null when the split is not known any more.' }),
  reproduced: z.boolean().nullable().openapi({
    description:
      'Whether its unit, hashed again into the split of that time, gives this bucket, range and variant; null when the split is not known any more.',
  }),
  splitSince: z.int().nullable().openapi({ description: 'The configuration version that brought the split in force.' }),
  splitChange: z.string().nullable().openapi({
    description: 'The audit entry of that version: who changed the split, from what to what.',
    example: '/api/v1/audit?version=41',
  }),
  configChange: z.string().openapi({
    description: 'The audit entry of the version that served this inference.',
    example: '/api/v1/audit?version=43',
  }),
});

export const inferenceDetailSchema = inferenceSchema
  .extend({
    assignmentExplained: z.string().openapi({ example: 'bucket 4711 < 9000 → champion gpt-small' }),
    assignment: assignmentSchema,
    waterfall: z.array(spanSchema).openapi({
      description: 'Where the time went, in order, in ms since the inference was accepted.',
    }),
    request: payloadSchema.openapi({ description: 'As the caller sent it.' }),
    response: payloadSchema.openapi({ description: 'As the caller got it.' }),
    sentUpstream: z.object({ model: z.string(), addedUsage: z.boolean().nullable() }).nullable().openapi({
      description:
        'What differs in the request as the last attempt sent it: the name of the model, and whether the stream was asked for its usage, which the caller did not get to see. Null when nothing was sent.',
    }),
    answer: z.unknown().openapi({
      description:
        "The first answer of a chat in the shape of the caller's dialect, a stream put together: a message (openai-chat, anthropic), the items of the output (openai-responses), a content (gemini). Of a stream that was cut, what came; null when there is none.",
    }),
    answerIsWhole: z.boolean().nullable().openapi({
      description: 'False for what came of an answer that was cut; null when there is no `answer`.',
    }),
  })
  .openapi('InferenceDetail');

export type InferenceView = z.output<typeof inferenceSchema>;
export type PayloadView = z.output<typeof payloadSchema>;
export type InferenceDetailView = z.output<typeof inferenceDetailSchema>;
