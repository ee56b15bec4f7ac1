import { z } from '@hono/zod-openapi';
import { ERROR_CODE_LIST } from '#core/errors.ts';
import { DIALECTS, nameSchema, OPERATIONS } from '#core/names.ts';
import { ROLES } from '#core/weights.ts';
import { INFERENCE_SORTS } from '#store/inference-order.ts';
import { pageQuerySchema } from '../paging.ts';

/** What the names of parameters that look into the metadata begin with: `metadata.tenant=acme`. */
export const METADATA_PREFIX = 'metadata.';

const time = z.iso.datetime({ offset: true });
const text = z.string().min(1).max(1_024);
const amount = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const tokens = z.coerce.number().int().min(0).max(2_147_483_647);
const duration = z.coerce.number().min(0).max(1e9);
const optional = <Schema extends z.ZodType>(schema: Schema, description: string, example?: unknown) =>
  schema.optional().openapi({ description, ...(example === undefined ? {} : { example }) });

/** What narrows inferences down, in lists and exports. */
const FILTERS = {
  group: optional(
    z.string().regex(/^[^,\s]+(,[^,\s]+)*$/, 'is one group, or several with commas between them'),
    'Names or ids, with commas between them; deleted groups are found too. Without it: all groups.',
    'support-chat',
  ),
  variant: optional(nameSchema, 'The variant that the split assigned.'),
  servedVariant: optional(nameSchema, 'The variant whose answer the caller got.'),
  role: optional(z.enum(ROLES), 'The role that the assigned variant had at that time.'),
  key: optional(nameSchema, 'Name or id of the API key; deleted keys are found too.'),
  unit: optional(text, 'What the assignment sticks to.', 'user-1234'),
  status: optional(
    z.string().regex(/^([1-5]\d\d|[1-5]xx)$/, 'is a status like 200 or a class like 2xx'),
    'The status that the caller saw, or a class of them.',
    '2xx',
  ),
  outcome: optional(z.enum(['completed', 'failed', 'client_closed', 'interrupted']), 'How it ended.'),
  errorCode: optional(z.enum(ERROR_CODE_LIST as [string, ...string[]]), 'Why it failed.'),
  model: optional(text, "A variant's model, or the upstream model of an attempt.", 'gpt-4.1-mini'),
  operation: optional(z.enum(OPERATIONS), 'The endpoint.'),
  dialect: optional(z.enum(DIALECTS), 'The API in which the application called.'),
  finishReason: optional(
    text,
    "Why the model stopped, in the provider's own word: `stop`, `end_turn`, `STOP`.",
    'stop',
  ),
  streamed: optional(z.enum(['true', 'false']), 'Whether a stream was asked for.'),
  latencyFromMs: optional(duration, 'Whole duration, at least so many ms.'),
  latencyToMs: optional(duration, 'Whole duration, at most so many ms.'),
  firstTokenFromMs: optional(duration, 'Time to the first token, at least so many ms.'),
  firstTokenToMs: optional(duration, 'Time to the first token, at most so many ms.'),
  inputTokensFrom: optional(tokens, 'At least so many.'),
  inputTokensTo: optional(tokens, 'At most so many.'),
  outputTokensFrom: optional(tokens, 'At least so many.'),
  outputTokensTo: optional(tokens, 'At most so many.'),
  costFromMicroUsd: optional(amount, 'At least so many millionths of a dollar.'),
  costToMicroUsd: optional(amount, 'At most so many millionths of a dollar.'),
  experiment: optional(
    z.uuid(),
    'The experiment that it counts in, by its id (that of its rollout): one group, from the start of the experiment on.',
  ),
  traceId: optional(z.string().regex(/^[0-9a-f]{32}$/, 'is 32 hexadecimal digits'), 'W3C trace id.'),
  metadata: optional(
    z.string().max(8_192),
    'A JSON object that the metadata must contain. For one text: `metadata.tenant=acme`.',
    '{"tenant":"acme"}',
  ),
  q: optional(
    z.string().trim().min(1).max(512),
    'Words of the prompt or the answer, where these were captured: `refund -shipping "order number" or invoice`. ' +
      'No stemming. Partitions that have ended have an index; in the newest one each row is looked at.',
    'refund',
  ),
  since: optional(time, 'Inferences at or after this moment.', '2030-01-01T00:00:00Z'),
  until: optional(time, 'Inferences before this moment.'),
};

const SHADOWS = ['false', 'true', 'all'] as const;

const shadowFilter = (otherwise: (typeof SHADOWS)[number]) =>
  z
    .enum(SHADOWS)
    .default(otherwise)
    .openapi({
      description: `Mirrored calls: only what is none (\`false\`), only these (\`true\`), or \`all\`. Without it: \`${otherwise}\`.`,
    });

export type FilterQuery = z.output<z.ZodObject<typeof FILTERS>> &
  Readonly<Record<string, unknown>> & { readonly shadow: (typeof SHADOWS)[number] };

/** Accepts what it knows and `metadata.…`. */
function filtered<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = new Set([...Object.keys(FILTERS), ...Object.keys(shape)]);
  return z
    .object({ ...FILTERS, ...shape })
    .catchall(z.unknown())
    .superRefine((query, context) => {
      for (const name of Object.keys(query)) {
        if (known.has(name) || (name.startsWith(METADATA_PREFIX) && name.length > METADATA_PREFIX.length)) continue;
        context.addIssue({ code: 'custom', path: [name], message: 'is no known field' });
      }
    });
}

export const inferenceQuerySchema = filtered({
  ...pageQuerySchema.shape,
  shadow: shadowFilter('false'),
  sort: z.enum(INFERENCE_SORTS).default('time').openapi({
    description: 'Any but `time` needs `since` or one group. `tokens` are input and output together.',
  }),
  order: z.enum(['asc', 'desc']).default('desc'),
});

export const EXPORT_FORMATS = ['jsonl', 'csv', 'openai-chat'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export const exportQuerySchema = filtered({
  shadow: shadowFilter('all'),
  format: z
    .enum(EXPORT_FORMATS)
    .default('jsonl')
    .openapi({
      description:
        '`jsonl`: a row with its bodies on each line. `csv`: without bodies; a cell that a spreadsheet would take for a formula ' +
        "begins with an apostrophe. `openai-chat`: completed chats of every dialect with whole captured bodies, for fine-tuning; what has no place in OpenAI's format is skipped.",
    }),
  after: z.uuid().optional().openapi({ description: 'Goes on behind this inference: the last one that has arrived.' }),
  checkpoints: z
    .string()
    .regex(/^[A-Za-z0-9]{16,64}$/, 'is 16 to 64 letters and digits')
    .optional()
    .openapi({
      description:
        'A random word. Lines that start with it (behind U+001E) are put between the rows, each with a JSON object: where to go on ' +
        '(`after`), and in the last one `done`. Without it a stream that is cut ends in a broken connection only.',
    }),
});

export type InferenceQuery = z.output<typeof inferenceQuerySchema>;
export type ExportQuery = z.output<typeof exportQuerySchema>;
