import { z } from 'zod';
import { nameSchema } from '../names.ts';

const maxPerMinute = z.int().min(1).max(6_000).default(60);

/**
 * Who says which of two answers is the better one. `group`: a model group, asked through the gateway as any application asks it.
 * `webhook`: the owner's own judge. Either gets the two in an order that is drawn from the pair's id, and so does not know which is which.
 */
export const evaluatorSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('group'),
    group: nameSchema,
    /** What makes an answer good, in addition to what every judge is told. */
    instructions: z.string().max(4_000).default(''),
    maxPerMinute,
  }),
  z.strictObject({
    kind: z.literal('webhook'),
    url: z.url({ protocol: /^https?$/ }).max(2_000),
    maxPerMinute,
  }),
]);
export type Evaluator = z.infer<typeof evaluatorSchema>;

/** How much of a group's traffic is mirrored to its shadow variants, and what that may take. Fields that lack get their default. */
export const shadowPolicySchema = z.object({
  /** How many of 10 000 inferences are mirrored to each shadow; drawn from the inference id. */
  sampleBp: z.int().min(0).max(10_000).default(10_000),
  /** Mirrored calls under way at once, in one serving thread; what comes beyond is dropped and counted. */
  maxConcurrency: z.int().min(1).max(1_000).default(16),
  /** Started in one minute, in one serving thread. */
  maxPerMinute: z.int().min(1).max(1_000_000).default(6_000),
  /** Tokens in one UTC day, in one serving thread, as far as their usage is known; null: no bound. */
  maxTokensPerDay: z.int().min(1).max(1_000_000_000_000).nullable().default(null),
  /** A mirrored call is given up after it. */
  timeoutMs: z.int().min(100).max(600_000).default(60_000),
  /** Judges pairs whose answers were captured whole; null: nobody does. */
  evaluator: evaluatorSchema.nullable().default(null),
});

export type ShadowPolicy = z.infer<typeof shadowPolicySchema>;

export const DEFAULT_SHADOW_POLICY: ShadowPolicy = shadowPolicySchema.parse({});
