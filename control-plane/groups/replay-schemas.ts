import { z } from '@hono/zod-openapi';
import { nameSchema } from '#core/names.ts';

const weights = z
  .string()
  .regex(/^[^=,\s]+=\d+(,[^=,\s]+=\d+)*$/, 'is model=weight, with commas between them: gpt-small=7000,gpt-large=3000')
  .openapi({
    description: 'The weights to try, in basis points; models that are not named keep theirs, and the sum is 10 000.',
    example: 'gpt-small=7000,gpt-large=3000',
  });
const moment = z.iso.datetime({ offset: true });

export const replayQuerySchema = z.strictObject({
  weights,
  since: moment.openapi({ description: 'From this moment on; at most 31 days.', example: '2030-01-01T00:00:00Z' }),
  until: moment.optional().openapi({ description: 'Before this moment; now, if left out.' }),
  latencyObjectiveMs: z.coerce.number().int().min(1).max(3_600_000).default(10_000).openapi({
    description: 'What `overObjective` is the share over, a failure among them.',
  }),
});
export type ReplayQuery = z.output<typeof replayQuerySchema>;

const estimate = z.object({ value: z.number(), lower: z.number(), upper: z.number() }).nullable();
const figure = z.object({ before: z.number().nullable(), after: estimate, difference: estimate });
const peak = z.object({ variant: z.string(), inferences: z.int(), tokens: z.int() });

export const replaySchema = z
  .object({
    group: nameSchema,
    since: z.iso.datetime(),
    until: z.iso.datetime(),
    weights: z.record(z.string(), z.int()),
    inferences: z.int().openapi({ description: 'How many the log has of that time.' }),
    moved: z.int().openapi({ description: 'Of these: how many would have gone to another variant.' }),
    sampledShare: z
      .number()
      .openapi({ description: 'The share of the units that was looked at, each whole; totals are scaled up by it.' }),
    figures: z.object({
      costMicroUsd: figure.openapi({ description: 'In all, of models that have prices.' }),
      outputTokens: figure.openapi({ description: 'In all.' }),
      errorRate: figure.openapi({ description: 'Of first attempts.' }),
      latencyMs: figure.openapi({ description: 'Mean of first attempts that succeeded.' }),
      overObjectiveRate: figure,
    }),
    busiestMinute: z
      .object({ before: z.array(peak), after: z.array(peak) })
      .openapi({ description: 'The most that each variant got in one minute: what its limits must bear.' }),
    warnings: z.array(z.string()),
  })
  .openapi('Replay', {
    description: 'Estimates with 95 % intervals. Nothing is changed, and no model is called.',
  });
export type ReplayView = z.output<typeof replaySchema>;
