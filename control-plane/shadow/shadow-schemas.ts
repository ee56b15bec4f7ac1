import { z } from '@hono/zod-openapi';

const time = z.iso.datetime();
const number = z.number().nullable();

export const shadowsQuerySchema = z.strictObject({
  since: z.iso.datetime({ offset: true }).optional().openapi({
    description:
      'Without it: 7 days ago. Intervals hold at every look of one and the same `since`; of a window that moves with the clock each holds for itself.',
  }),
  experiment: z.uuid().optional().openapi({ description: "Only mirrored calls of this experiment's shadow stage." }),
  alpha: z.coerce.number().min(0.0001).max(0.2).default(0.05),
  plannedUnits: z.coerce
    .number()
    .int()
    .min(200)
    .max(1_000_000_000)
    .default(5_000)
    .openapi({ description: 'Units at which the intervals are tightest. Fix it before the first look.' }),
});
export type ShadowsQuery = z.output<typeof shadowsQuerySchema>;

export const evaluatorSecretSchema = z.object({ group: z.string(), secret: z.string() }).openapi('EvaluatorSecret');

const measureSchema = z.object({
  measure: z.string().openapi({ example: 'latency_us' }),
  kind: z.enum(['difference', 'level']).openapi({
    description: '`difference`: shadow less original, so that 0 is "alike". `level`: a figure of the two together.',
  }),
  about: z.string(),
  pairs: z.int().openapi({ description: 'Of how many it is known; it is missing in the others, which is not zero.' }),
  units: z.int(),
  mean: number.openapi({ description: 'Over units, of which each has the mean of its pairs, however many it has.' }),
  standardError: number,
  lower: number.openapi({
    description: 'Of the interval at `alpha`, by unit of assignment, which holds at every look.',
  }),
  upper: number,
  pValue: number.openapi({ description: 'Of "the mean is 0"; null for levels, which nobody expects to be 0.' }),
  why: z.string().nullable().openapi({ description: 'Why there is no interval (yet).' }),
});

export const shadowsSchema = z
  .object({
    group: z.string(),
    groupId: z.uuid(),
    since: time,
    until: time,
    alpha: z.number(),
    plannedUnits: z.int(),
    shadows: z.array(
      z.object({
        model: z.string(),
        pairs: z.object({ pending: z.int(), compared: z.int(), givenUp: z.int() }),
        givenUp: z.array(z.object({ reason: z.string(), pairs: z.int() })),
        firstAt: time,
        lastAt: time,
        failures: z
          .object({ pairs: z.int(), original: z.int(), shadow: z.int(), both: z.int() })
          .openapi({ description: 'First attempts that failed, of pairs of which that is known.' }),
        evaluations: z
          .object({
            ...{ pending: z.int(), scored: z.int(), failed: z.int() },
            lastProblem: z
              .string()
              .nullable()
              .openapi({ description: 'Why the newest of those that were asked in vain has no verdict.' }),
          })
          .openapi({
            description:
              "Of the group's evaluator, which is asked up to four times, with growing waits; pairs without a verdict are compared all the same.",
          }),
        measures: z.array(measureSchema),
        outputs: z
          .array(
            z.object({
              output: z.string(),
              pairs: z.int(),
              rankCorrelation: number,
              stabilityIndex: number,
            }),
          )
          .openapi({
            description:
              "Numeric outputs of the newest 10 000 pairs: Spearman's correlation of their means, and the population stability index over the original's deciles (below 0.1 alike, from 0.25 on different).",
          }),
      }),
    ),
  })
  .openapi('ShadowComparison', { description: 'Mirrored calls against the inferences that they mirror, by shadow.' });
export type ShadowsView = z.output<typeof shadowsSchema>;
