import { z } from 'zod';
import { DIRECTIONS, metricRefSchema } from './metrics.ts';

/** What becomes of a rollout when a guardrail is violated. */
export const SEVERITIES = ['rollback', 'pause', 'warn'] as const;

const direction = z.enum(DIRECTIONS);

/** `mean`: values of any size. `rate`: values of 0 and 1. Left out, it is that of the built-in metric, `rate` of a label and of derived metrics, and else `mean`. */
const kind = z.enum(['mean', 'rate']);

export const primaryMetricSchema = z.strictObject({
  metric: metricRefSchema,
  kind: kind.optional(),
  /** Left out: the better direction of a built-in metric; others must say. */
  direction: direction.optional(),
  /** Whether effects are relative to the champion's mean. */
  relative: z.boolean().default(true),
  /** The smallest difference that matters: what the planner plans for, and half the width of "equivalent". */
  minimumEffect: z.number().positive().max(1_000_000).default(0.05),
});

export const guardrailSchema = z.strictObject({
  metric: metricRefSchema,
  kind: kind.optional(),
  direction: direction.optional(),
  relative: z.boolean().default(false),
  /** How much worse than the champion is still acceptable, in the metric's unit or, where `relative`, as a share of the champion's mean. */
  margin: z.number().min(0).max(1_000_000),
  severity: z.enum(SEVERITIES).default('rollback'),
});

/**
 * How an experiment measures and decides (shared design: statistics). Fixed from the start of its rollout on. Every threshold applies
 * to confidence sequences, which hold however often somebody looks.
 */
export const experimentDefinitionSchema = z.strictObject({
  primary: primaryMetricSchema.nullable().default(null),
  guardrails: z
    .array(guardrailSchema)
    .max(20)
    .default([{ metric: 'error_rate', relative: false, margin: 0.01, severity: 'rollback' }]),
  /** Divided by the number of challengers. */
  alpha: z.number().min(0.0001).max(0.2).default(0.05),
  /** N* of the confidence sequences: the number of units, of both arms, at which they are tightest. */
  plannedUnits: z.int().min(200).max(1_000_000_000).default(5_000),
  /** Per arm; below it nothing is concluded from means. */
  minUnits: z.int().min(100).max(1_000_000).default(100),
  /** Its own α, since it watches something else. */
  srmAlpha: z.number().min(0.00001).max(0.05).default(0.001),
  /** The sequential error test that rolls back within seconds; null: none. */
  fastGuard: z
    .strictObject({ alpha: z.number().min(0.00001).max(0.05) })
    .nullable()
    .default({ alpha: 0.01 }),
  latencyObjectiveMs: z.int().min(1).max(3_600_000).default(10_000),
  firstTokenObjectiveMs: z.int().min(1).max(3_600_000).default(2_000),
  /** Reports of feedback count so long after their inference. */
  attributionHours: z
    .int()
    .min(1)
    .max(24 * 90)
    .default(24 * 7),
  /** Key of the request's metadata whose value feedback may name in place of the inference id. */
  correlationKey: z.string().min(1).max(64).nullable().default(null),
  /** Units' history before the start that reduces variance (CUPED); 0: none. */
  historyDays: z.int().min(0).max(90).default(14),
  /** Values beyond the champion's quantile of the days before the start count as that; null: as they are. */
  winsorizeAt: z.number().min(0.9).max(0.9999).nullable().default(null),
});

export type PrimaryMetric = z.output<typeof primaryMetricSchema>;
export type Guardrail = z.output<typeof guardrailSchema>;
export type ExperimentDefinition = z.output<typeof experimentDefinitionSchema>;

/** The metrics that a definition asks for. */
export function metricNames({ primary, guardrails }: Pick<ExperimentDefinition, 'primary' | 'guardrails'>): string[] {
  return [...(primary === null ? [] : [primary.metric]), ...guardrails.map(({ metric }) => metric)];
}

/**
 * How the champion's units did before a rollout, as its experiment counts them: what the fast guard has to go by where the champion does
 * not serve beside its challenger.
 */
const championHistorySchema = z.object({
  units: z.int().min(0),
  /** With a failure at least. */
  failingUnits: z.int().min(0),
  /** How long before the start it reaches back. */
  windowMs: z.number().positive(),
});
export type ChampionHistory = z.output<typeof championHistorySchema>;

/** What the shipper needs to count an inference in an experiment; written when the rollout starts (`rollouts.ingest`). */
export const ingestSchema = z.object({
  latencyObjectiveUs: z.number(),
  firstTokenObjectiveUs: z.number(),
  /** By sum column of `experiment_units`: a single inference adds no more. */
  caps: z.record(z.string(), z.number()).default({}),
  /** For the engine; null: there was none. Missing: the plan never needs it. */
  championHistory: championHistorySchema.nullable().optional(),
});
export type Ingest = z.output<typeof ingestSchema>;
