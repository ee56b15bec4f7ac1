import { z } from '@hono/zod-openapi';
import { VERDICTS } from '#core/experiments/look.ts';
import { ROLES } from '#core/weights.ts';
import { lookSchema, metricResultSchema, srmSchema, staleSchema } from '../experiments/look-schemas.ts';

const time = z.iso.datetime();

export const comparisonQuerySchema = z.strictObject({
  since: z.iso.datetime({ offset: true }).optional().openapi({
    description: 'Without it: 24 hours ago. With an experiment under way: its start, whatever is asked for.',
  }),
});

const armSchema = z.object({
  model: z.string(),
  role: z.enum(ROLES),
  weightBp: z.int().openapi({ description: 'As it is now.' }),
  units: z.int().nullable(),
  requests: z.int(),
  failures: z
    .int()
    .openapi({ description: 'First attempts that failed; from rollups: inferences that ended with an error.' }),
  errorRate: z.number().nullable(),
  latencyMs: z
    .object({ p50: z.number(), p95: z.number(), p99: z.number() })
    .nullable()
    .openapi({ description: 'Of first attempts that succeeded; from rollups: of whole inferences.' }),
  inputTokens: z.number().nullable().openapi({ description: 'Null: the look is stale.' }),
  outputTokens: z.number().nullable().openapi({ description: 'Null: the look is stale.' }),
  costMicroUsd: z.number().nullable().openapi({ description: 'Null: it is known of none, or the look is stale.' }),
  withCost: z
    .int()
    .nullable()
    .openapi({ description: 'Of how many inferences the cost is known. Null: the look is stale.' }),
});

export const comparisonSchema = z
  .object({
    group: z.string(),
    groupId: z.uuid(),
    source: z.enum(['experiment', 'rows', 'rollups']).openapi({
      description:
        '`experiment`: exact sums of the one under way. `rows`: exact sums of the rows of the present split. `rollups`: figures for display only.',
    }),
    notice: z.string().openapi({ description: 'What these figures are of, and what they are good for.' }),
    since: time,
    until: time,
    phase: z.int(),
    experiment: z.object({ id: z.uuid(), name: z.string(), state: z.string() }).nullable(),
    look: lookSchema.nullable(),
    stale: staleSchema,
    arms: z.array(armSchema).openapi({ description: 'The champion first.' }),
    metrics: z
      .array(
        z.object({
          metric: z.string(),
          challengers: z.array(
            z.object({
              challenger: z.string(),
              result: metricResultSchema,
              verdict: z.enum(VERDICTS),
              reasons: z.array(z.string()),
            }),
          ),
        }),
      )
      .openapi({
        description:
          'Each with the α of the experiment; empty where the look is stale, which has those of the definition.',
      }),
    srm: srmSchema.nullable(),
    shadows: z.array(z.object({ model: z.string(), pending: z.int(), compared: z.int(), givenUp: z.int() })).openapi({
      description: 'Mirrored calls of this time, by variant.',
    }),
  })
  .openapi('GroupComparison');

export type ComparisonQuery = z.output<typeof comparisonQuerySchema>;
export type ComparisonView = z.output<typeof comparisonSchema>;
