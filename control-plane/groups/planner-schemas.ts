import { z } from '@hono/zod-openapi';
import { metricRefSchema } from '#core/experiments/metrics.ts';
import { nameSchema } from '#core/names.ts';

const days = z.coerce.number().min(0.1).max(365);

export const plannerQuerySchema = z.strictObject({
  metric: metricRefSchema.default('error_rate').openapi({
    description: 'A built-in metric, or one that feedback has reported; `name=label` for the share of a label.',
    example: 'latency',
  }),
  effect: z.coerce.number().positive().max(1_000_000).optional().openapi({
    description: "The smallest difference to find; with `relative`, as a share of the champion's mean (0.05 is 5 %).",
    example: 0.05,
  }),
  days: days.optional().openapi({ description: 'How long the experiment may take.', example: 14 }),
  weightBp: z.coerce.number().int().min(1).max(9_999).optional().openapi({
    description:
      "The challenger's weight (each one's, where there are several), in basis points. Where it is not what is asked for and left out, all arms have the same.",
    example: 1000,
  }),
  challengers: z.coerce.number().int().min(1).max(20).default(1),
  relative: z
    .enum(['true', 'false'])
    .default('true')
    .transform((value) => value === 'true'),
  comparison: z.enum(['equal', 'rest']).default('equal').openapi({
    description:
      'What the challenger is compared with: a slice of the champion as large as its own (`equal`, as in a ramp), or all of the champion (`rest`, as with the strategy `ab`).',
  }),
  alpha: z.coerce.number().min(0.0001).max(0.2).default(0.05),
  power: z.coerce.number().min(0.5).max(0.999).default(0.8),
  latencyObjectiveMs: z.coerce.number().int().min(1).max(3_600_000).default(10_000),
  firstTokenObjectiveMs: z.coerce.number().int().min(1).max(3_600_000).default(2_000),
  historyDays: days.max(28).default(7).openapi({ description: 'The days before now that the plan is made from.' }),
});
export type PlannerQuery = z.output<typeof plannerQuerySchema>;

const perTest = z.object({
  fixed: z.number().nullable().openapi({ description: 'One look, at the end.' }),
  sequence: z.number().nullable().openapi({
    description: 'Looks at any time, as rollouts make: a share `power` of experiments has decided by then.',
  }),
  sequenceTypical: z.number().nullable().openapi({ description: 'The same, half of them.' }),
});

export const plannerSchema = z
  .object({
    group: nameSchema,
    metric: z.string(),
    relative: z.boolean(),
    traffic: z.object({
      days: z.number().openapi({ description: 'The time that was looked at.' }),
      inferences: z.int(),
      units: z.int(),
      unitsPerDay: z.number(),
      returning: z.number().openapi({
        description:
          'How much units come back: 0 for never, 1 for always the same ones. Units of d days are unitsPerDay × d^(1 − returning).',
      }),
    }),
    champion: z.object({
      model: z.string(),
      units: z.int(),
      mean: z.number().nullable(),
      variancePerUnit: z.number().nullable(),
    }),
    asked: z.enum(['effect', 'days', 'weightBp']).openapi({ description: 'What was left out, and so is computed.' }),
    effect: perTest,
    days: perTest,
    weightBp: perTest,
    units: perTest.openapi({ description: 'Of the whole group, in that time.' }),
    plannedUnits: z.int().nullable().openapi({
      description:
        'Units of the champion and the challenger together at the end of that time. The figures of `sequence` are those of an experiment that has this as its `plannedUnits`.',
    }),
    curve: z
      .array(z.object({ days: z.number(), units: z.number(), effect: perTest }))
      .openapi({ description: 'The smallest effect that is found in so many days, at the weight asked for.' }),
    warnings: z.array(z.string()),
  })
  .openapi('ExperimentPlan', {
    description:
      'Computed from the traffic of the days before; nothing is kept. Null: not within ten years, or not with any weight.',
  });
export type PlannerView = z.output<typeof plannerSchema>;
