import { z } from '@hono/zod-openapi';
import { nameSchema } from '#core/names.ts';
import { patternFaults } from '#core/redaction/patterns.ts';
import { captureSchema, logPolicySchema, redactionSchema } from '#core/snapshot/log-policy.ts';
import { shadowPolicySchema } from '#core/snapshot/shadow-policy.ts';
import { trafficPolicySchema } from '#core/snapshot/traffic-policy.ts';
import { ROLES } from '#core/weights.ts';

const name = nameSchema.meta({ description: 'What applications put in `model`.', example: 'support-chat' });
const description = z.string().max(2_000).openapi({ example: 'Answers in the help centre' });
/** The same fields without their defaults: what is left out keeps its value. */
const redaction = z.strictObject({
  detectors: redactionSchema.shape.detectors.unwrap(),
  paths: redactionSchema.shape.paths.unwrap(),
  patterns: redactionSchema.shape.patterns.unwrap().superRefine((patterns, context) => {
    for (const { index, reason } of patternFaults(patterns)) {
      context.addIssue({ code: 'custom', path: [index, 'pattern'], message: reason });
    }
  }),
});
const capture = z
  .strictObject({
    mode: captureSchema.shape.mode,
    maxBytes: captureSchema.shape.maxBytes,
    sampleBp: captureSchema.shape.sampleBp.unwrap(),
    redaction: redaction.partial(),
  })
  .partial()
  .openapi({
    description:
      'What the inference log keeps of bodies: `full` (up to `maxBytes` a side), `sampled` (of `sampleBp` in 10 000 inferences) or `none`, and what it makes unreadable first.',
  });
const log = z
  .strictObject({
    durability: logPolicySchema.shape.durability.unwrap(),
    whenSpoolFull: logPolicySchema.shape.whenSpoolFull.unwrap(),
    partitionBy: logPolicySchema.shape.partitionBy.unwrap(),
    retentionDays: logPolicySchema.shape.retentionDays.unwrap(),
    archive: logPolicySchema.shape.archive.unwrap(),
  })
  .partial()
  .openapi({
    description:
      'How durable a record is when its caller has the answer (`memory`, `process`, `disk`), what happens to requests while the spool is full, and how long rows are kept (`retentionDays` null: for ever).',
  });

const traffic = z
  .strictObject({
    lenient: trafficPolicySchema.shape.lenient.unwrap(),
    keepAliveMs: trafficPolicySchema.shape.keepAliveMs.unwrap(),
  })
  .partial()
  .openapi({
    description:
      'Whether parameters that a provider cannot be told are left out (`lenient`; the answer names them in `x-ringside-dropped`) or refused, and after how long a silence a stream gets a sign of life (`keepAliveMs`, to the second; 0: never).',
  });

const shadow = z
  .strictObject({
    sampleBp: shadowPolicySchema.shape.sampleBp.unwrap(),
    maxConcurrency: shadowPolicySchema.shape.maxConcurrency.unwrap(),
    maxPerMinute: shadowPolicySchema.shape.maxPerMinute.unwrap(),
    maxTokensPerDay: shadowPolicySchema.shape.maxTokensPerDay.unwrap(),
    timeoutMs: shadowPolicySchema.shape.timeoutMs.unwrap(),
    evaluator: shadowPolicySchema.shape.evaluator.unwrap(),
  })
  .partial()
  .openapi({
    description:
      'How much is mirrored to variants of role `shadow`, after the caller has its answer: `sampleBp` in 10 000 inferences (0: none), each call for at most `timeoutMs`. The bounds `maxConcurrency`, `maxPerMinute` and `maxTokensPerDay` (null: none) hold for each serving thread; what comes beyond them is dropped and counted. `evaluator` says which answer of a pair is the better one: a model group that is asked as a judge, or a webhook whose calls are signed with the secret of `POST /groups/{name}/evaluator-secret`.',
  });

export const createGroupSchema = z
  .strictObject({
    name,
    description: description.optional(),
    capture: capture.optional(),
    log: log.optional(),
    traffic: traffic.optional(),
    shadow: shadow.optional(),
  })
  .openapi('CreateGroup');

export const updateGroupSchema = z
  .strictObject({
    name: name.optional(),
    description: description.optional(),
    capture: capture.optional(),
    log: log.optional(),
    traffic: traffic.optional(),
    shadow: shadow.optional(),
  })
  .openapi('UpdateGroup');

// Only "a number" is left to zod: core/weights.ts says what a weight must be, and how to mend it.
const weightBpSchema = z.number().openapi({
  type: 'integer',
  minimum: 0,
  maximum: 10_000,
  description: 'Basis points: 9000 is 90 %. 0 means no traffic.',
  example: 9000,
});
const model = nameSchema.meta({ description: "The model's name or id.", example: 'gpt-small' });

export const variantsSchema = z
  .array(z.strictObject({ model, role: z.enum(ROLES), weightBp: weightBpSchema.optional() }))
  .max(100)
  .openapi('ReplaceVariants', {
    description:
      'Exactly one champion; the weights sum to 10 000. Shadows and fallbacks have weight 0, which may be left out.',
  });

export const weightsSchema = z.record(z.string(), weightBpSchema).openapi('ChangeWeights', {
  description: 'Weight by model. Models that are not named keep theirs; the sum stays 10 000.',
});

export const groupSchema = z
  .object({
    id: z.uuid(),
    name: nameSchema,
    description: z.string(),
    capture: captureSchema,
    log: logPolicySchema,
    traffic: trafficPolicySchema,
    shadow: shadowPolicySchema,
    variants: z.array(z.object({ model: z.string(), role: z.enum(ROLES), weightBp: z.int() })),
    phase: z.int().openapi({ description: 'Grows with each change of the split.' }),
    hashVersion: z.int(),
    version: z.int(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Group');

export type CreateGroup = z.output<typeof createGroupSchema>;
export type UpdateGroup = z.output<typeof updateGroupSchema>;
export type Variants = z.output<typeof variantsSchema>;
export type Weights = z.output<typeof weightsSchema>;
export type GroupView = z.output<typeof groupSchema>;
