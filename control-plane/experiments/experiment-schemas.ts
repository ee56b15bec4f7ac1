import { z } from '@hono/zod-openapi';
import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { BUILTIN_METRICS, type BuiltinMetricName } from '#core/experiments/metrics.ts';
import { nameSchema } from '#core/names.ts';
import { ROLLOUT_STATES } from '#core/rollout/state.ts';
import { pageQuerySchema, pageSchema } from '../paging.ts';
import { lookSchema, metricResultSchema, staleSchema } from './look-schemas.ts';

const time = z.iso.datetime();
const moment = z.iso.datetime({ offset: true });

export const experimentQuerySchema = pageQuerySchema.extend({
  group: nameSchema.optional().openapi({ description: 'Name or id. Without it: all groups.' }),
  state: z
    .enum(['active', ...ROLLOUT_STATES])
    .optional()
    .openapi({ description: '`active`: those that have not ended.' }),
});

/** What a list shows of an experiment. */
export const experimentSummarySchema = z
  .object({
    id: z.uuid().openapi({ description: 'Also that of the rollout that it decides.' }),
    name: nameSchema,
    group: z.string(),
    groupId: z.uuid(),
    state: z.enum(ROLLOUT_STATES),
    reason: z.string(),
    arms: z.array(z.string()).openapi({ description: 'Models: the champion first.' }),
    primary: z.string().nullable().openapi({ description: 'The metric that decides.' }),
    phase: z.int(),
    since: time.nullable().openapi({ description: 'When it started; null: not yet.' }),
    endedAt: time.nullable(),
    closedAt: time.nullable().openapi({
      description:
        'Since when its figures are final: rows and feedback that come later do not count. Some time after the end, when all feedback is in.',
    }),
    createdAt: time,
  })
  .openapi('ExperimentSummary');

/** What a phase compares and has counted, by arm. */
export const phaseSchema = z
  .object({
    phase: z.int(),
    since: time,
    weightsBp: z.array(z.int()).openapi({ description: 'Buckets of 10 000 that count, by arm.' }),
    isMixed: z
      .boolean()
      .openapi({ description: 'The ratio of the buckets changed while it ran: it compares nothing.' }),
    units: z.array(z.int()),
    failingUnits: z.array(z.int()),
    requests: z.array(z.int()),
    failures: z.array(z.int()),
  })
  .openapi('ExperimentPhase');

export const experimentSchema = experimentSummarySchema
  .extend({
    definition: experimentDefinitionSchema.meta({ description: 'Fixed since the start.' }),
    caps: z.record(z.string(), z.number()).openapi({
      description:
        'By metric, in its own unit: a single value counts as this at most (`winsorizeAt`). Fixed at the start; empty: nothing is capped.',
      example: { latency: 1_250_000 },
    }),
    armModels: z.array(z.object({ model: z.string(), modelId: z.uuid(), role: z.enum(['champion', 'challenger']) })),
    phases: z.array(phaseSchema),
  })
  .openapi('Experiment');

const interval = z.object({ value: z.number(), lower: z.number(), upper: z.number() });

const quantileSchema = z.object({
  quantile: z.number().openapi({ example: 0.95 }),
  valueMs: z.number().openapi({ description: 'To within 1/32, from a histogram.' }),
  lowerMs: z.number(),
  upperMs: z.number(),
  ranks: z.object({ lower: z.int(), upper: z.int(), of: z.int() }).openapi({
    description: 'The order statistics between which it lies with 95 %.',
  }),
});

const metricPhaseSchema = z.object({
  phase: z.int(),
  arms: z.array(
    z
      .object({ units: z.number(), n: z.number(), mean: z.number(), standardError: z.number().nullable() })
      .nullable()
      .openapi({ description: 'Null: nothing was measured in that arm.' }),
  ),
});

const labelDelaysSchema = z
  .object({
    arms: z.array(
      z.object({
        metric: z.string(),
        arm: z.int(),
        reports: z.int(),
        reported: z.int().openapi({ description: 'Inferences of which something was reported.' }),
        inferences: z.int(),
        coverage: z.number().nullable(),
        delayMs: z.object({ p50: z.number(), p90: z.number(), p99: z.number() }).nullable(),
      }),
    ),
    unjoined: z.array(z.object({ metric: z.string(), pending: z.int(), unmatched: z.int() })),
  })
  .openapi({
    description: 'How long after their inference reports of feedback come, and how many are still to find theirs.',
  });

export const analysisQuerySchema = pageQuerySchema;

const keptLooksSchema = pageSchema(z.object({ id: z.int(), look: lookSchema })).extend({
  thinnedBefore: time.nullable().openapi({
    description:
      'The history is thinned: of the looks before this time one an hour is kept, each that concluded something new, and the last one. Null: all looks are there.',
  }),
});

const amendmentSchema = z.object({
  ...{ arm: z.int(), challenger: z.string(), metric: z.string() },
  valuesAtEnd: z.int().openapi({ description: 'Of champion and challenger together, at the last look.' }),
  values: z.int().openapi({ description: 'The same now.' }),
  ...{ effectAtEnd: z.number().nullable(), effect: z.number().nullable() },
});

export const analysisSchema = z
  .object({
    experiment: experimentSchema,
    look: lookSchema.openapi({
      description: 'As of now, and not kept; where `stale` says so, the last one that was kept.',
    }),
    stale: staleSchema,
    amendments: z.array(amendmentSchema).nullable().openapi({
      description:
        'What came after the last look that was kept, of an experiment that is over: late feedback joins its phase, and the verdict stays. Null: it runs, or nobody looked.',
    }),
    metrics: z
      .record(z.string(), z.array(metricPhaseSchema))
      .openapi({ description: 'By metric and phase; empty where the look is stale.' }),
    labelDelays: labelDelaysSchema,
    display: z
      .object({
        notice: z.string(),
        latency: z.array(z.array(quantileSchema)).openapi({ description: 'By arm: of first attempts that succeeded.' }),
        firstToken: z.array(z.array(quantileSchema)),
        errorRate: z.array(interval.nullable()).openapi({ description: "By arm, with Wilson's interval." }),
        errorRateDifference: z
          .array(interval.nullable())
          .openapi({ description: "By challenger, with Newcombe's interval." }),
      })
      .openapi({
        description: 'Figures of a fixed sample. They do not hold at every look; nothing is decided by them.',
      }),
    lossWindows: z.array(z.object({ since: time, until: time, lost: z.int() })).openapi({
      description:
        'Between which looks of this page log loss came to light; where the history is thinned, to within an hour.',
    }),
    looks: keptLooksSchema.openapi({ description: 'Every look that was kept, the newest first.' }),
  })
  .openapi('ExperimentAnalysis');

export const looksSchema = keptLooksSchema
  .extend({ lossWindows: analysisSchema.shape.lossWindows })
  .openapi('ExperimentLooks');

export const METADATA_DIMENSION = /^metadata\.(.{1,64})$/;
const BUILTIN_NAMES = Object.keys(BUILTIN_METRICS) as [BuiltinMetricName, ...BuiltinMetricName[]];

export const breakdownQuerySchema = z.strictObject({
  by: z
    .string()
    .refine((by) => by === 'key' || by === 'version' || METADATA_DIMENSION.test(by), {
      message: 'is key, version or metadata.<field>',
    })
    .openapi({
      description: '`key`, `version` (the upstream model) or `metadata.<field>`.',
      example: 'metadata.tenant',
    }),
  metric: z
    .enum(BUILTIN_NAMES)
    .optional()
    .openapi({ description: 'A built-in metric. Without it: the primary one, or else `error_rate`.' }),
  top: z.coerce.number().int().min(1).max(50).default(10).openapi({ description: 'The most frequent values.' }),
  since: moment.optional().openapi({ description: 'Inferences at or after this moment; else from the start.' }),
  until: moment.optional(),
});

export const breakdownSchema = z
  .object({
    by: z.string(),
    metric: z.string(),
    since: time,
    until: time,
    warning: z.string(),
    notes: z.array(z.string()),
    distinctValues: z.int(),
    rows: z.object({
      found: z.int().openapi({ description: 'In the log, in this window.' }),
      counted: z.int().openapi({ description: 'By the experiment, since its start.' }),
    }),
    values: z.array(
      z.object({
        value: z.string().nullable().openapi({ description: 'Null: rows that have none.' }),
        name: z.string().nullable().openapi({ description: 'Of a key.' }),
        challengers: z.array(z.object({ challenger: z.string(), result: metricResultSchema.nullable() })),
      }),
    ),
  })
  .openapi('ExperimentBreakdown');

export type ExperimentQuery = z.output<typeof experimentQuerySchema>;
export type ExperimentSummary = z.output<typeof experimentSummarySchema>;
export type ExperimentView = z.output<typeof experimentSchema>;
export type AnalysisView = z.output<typeof analysisSchema>;
export type LooksView = z.output<typeof looksSchema>;
export type BreakdownQuery = z.output<typeof breakdownQuerySchema>;
export type BreakdownView = z.output<typeof breakdownSchema>;
export type QuantileView = z.output<typeof quantileSchema>;
