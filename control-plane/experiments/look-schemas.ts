import { z } from '@hono/zod-openapi';
import { SEVERITIES } from '#core/experiments/definition.ts';
import { VERDICTS } from '#core/experiments/look.ts';
import { DIRECTIONS, METRIC_UNITS } from '#core/experiments/metrics.ts';

const number = z.number().nullable();

const armResult = z.object({ units: z.int(), n: z.number(), mean: number });

const metricResult = z.object({
  metric: z.string().openapi({ example: 'latency' }),
  kind: z.enum(['mean', 'rate']),
  unit: z.enum(METRIC_UNITS).nullable().optional().openapi({
    description:
      'Of both means and, unless `relative`, of effect, standardError, lower, upper and margin: `share` (0.01 is one point), `us` (microseconds), `tokens`, `microUsd` (millionths of a dollar). Null: that of the reports. Missing in looks of earlier releases.',
    example: 'us',
  }),
  direction: z.enum(DIRECTIONS).openapi({ description: 'Which way is the better one.' }),
  relative: z.boolean().openapi({ description: "Whether effects are shares of the champion's mean." }),
  method: z.enum(['confidence_sequence', 'small_counts', 'none']).openapi({
    description: '`none`: nothing may be concluded; `why` says what is missing, and the numbers are null.',
  }),
  why: z.string().nullable().openapi({ description: 'Why a number is null; null: none is.' }),
  champion: armResult,
  challenger: armResult,
  effect: number.openapi({ description: 'Challenger less champion.' }),
  standardError: number,
  lower: number.openapi({ description: 'Of the interval at `alpha`, which holds at every look.' }),
  upper: number,
  pValue: number,
  alpha: z.number().openapi({ description: 'Of all that is concluded of this metric, at all looks.' }),
  varianceReduction: number.openapi({ description: "The share of the variance that units' history took away." }),
});

/** One metric of one challenger. */
export const metricResultSchema = metricResult.openapi('MetricResult');

const guardrailResultSchema = metricResult
  .extend({
    margin: z.number(),
    severity: z.enum(SEVERITIES),
    state: z.enum(['passed', 'violated', 'open', 'missing']).openapi({
      description:
        '`passed`: even the bad end of the interval is within the margin. `violated`: even the good end is beyond it. `missing`: there is nothing to judge by.',
    }),
  })
  .openapi('GuardrailResult');

const guardSchema = z.object({
  eValue: z.number().openapi({
    description: 'How many times likelier the failing units are if the challenger fails more often.',
  }),
  threshold: z.number(),
  fired: z.boolean(),
});

const fastGuardSchema = z.discriminatedUnion('kind', [
  guardSchema.extend({
    kind: z.literal('two_arm').openapi({ description: "Held against the champion's units beside it." }),
  }),
  guardSchema.extend({
    kind: z.literal('one_arm').openapi({
      description: "Held against what the champion's history allows: hardly any of its units are beside.",
    }),
    units: z.int(),
    failingUnits: z.int(),
    allowedShare: z.number().openapi({
      description:
        "Of failing units: the upper end of the champion's 99 % interval before the start (0.001 at least), for as long as the phase has lasted, and the margin of `error_rate`.",
    }),
    history: z
      .object({ units: z.int(), failingUnits: z.int(), windowMs: z.number() })
      .openapi({ description: 'The champion before the start: at most 7 days, and the newest 100 000 inferences.' }),
  }),
]);

export const comparisonResultSchema = z
  .object({
    challenger: z.string(),
    arm: z.int(),
    primary: metricResultSchema.nullable(),
    guardrails: z.array(guardrailResultSchema),
    fastGuard: fastGuardSchema.nullable().openapi({ description: 'Null: it is off, or has nothing to go by.' }),
    unguarded: z.string().nullable().optional().openapi({
      description: 'Why the fast guard has nothing to hold the challenger against now; null: it has, or it is off.',
    }),
    verdict: z.enum(VERDICTS),
    reasons: z.array(z.string()),
  })
  .openapi('ExperimentComparison');

export const srmSchema = z
  .object({
    pValue: z.number(),
    minPValue: z.number().openapi({ description: 'The smallest of all looks so far: what the alarm goes by.' }),
    alpha: z.number(),
    fired: z.boolean(),
    expected: z.array(z.number()),
    observed: z.array(z.number()),
    chiSquare: z
      .object({ statistic: z.number(), degreesOfFreedom: z.number(), pValue: z.number() })
      .nullable()
      .openapi({ description: 'Of a fixed sample, for display: it does not hold when one looks again and again.' }),
  })
  .openapi('SampleRatio', { description: 'Whether distinct units fell to the arms as their buckets say.' });

export const evidenceSchema = z
  .object({
    lost: z.int().openapi({ description: "Of the group's inferences since the start, by the ledger: lost for good." }),
    underWay: z.int().openapi({ description: 'Recorded and not stored yet, or being answered.' }),
    lastAtMs: z.number().nullable(),
    broken: z.array(z.string()),
  })
  .openapi('ExperimentEvidence');

/** A look as it is kept (core/experiments/look.ts). */
export const lookSchema = z
  .object({
    atMs: z.number(),
    phase: z.int(),
    srm: srmSchema,
    evidence: evidenceSchema,
    units: z.array(z.number()),
    requests: z.array(z.number()),
    values: z
      .record(
        z.string(),
        z.array(z.object({ n: z.number(), requests: z.number(), sinceMs: z.number(), longestMs: z.number() })),
      )
      .optional()
      .openapi({
        description:
          'By metric and arm: how many values there are, how many requests the arm had when the newest was found, when that was, and the longest time without one before it.',
      }),
    comparisons: z.array(comparisonResultSchema),
  })
  .openapi('Look');

/** Of an answer with a look. */
export const staleSchema = z.object({ at: z.iso.datetime(), reason: z.string() }).nullable().openapi({
  description:
    'Null: the look is as of now. Else that takes too long: when the look was made that is shown, and why it is not newer.',
});
