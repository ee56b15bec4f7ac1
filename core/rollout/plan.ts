import { z } from 'zod';

const weightBp = z.int().min(0).max(10_000);
const durationMs = z
  .int()
  .min(0)
  .max(365 * 86_400_000);

/** A step ends when its time is over and its units are there; a step with `approval` also waits for a person. */
const stepSchema = z.strictObject({
  weightBp: z.int().min(1).max(10_000),
  durationMs: durationMs.default(0),
  /** Units in the challenger's arm since the step began. */
  minUnits: z.int().min(0).max(1_000_000_000).default(0),
  approval: z.boolean().default(false),
});

/** How traffic moves to the challenger. Weights are the challenger's; with several challengers, each one's. */
export const strategySchema = z.discriminatedUnion('kind', [
  /** At once, with a hold in which one call sends it back; there is no champion's traffic for guardrails to compare with. */
  z.strictObject({ kind: z.literal('direct'), holdMs: durationMs.default(0) }),
  z.strictObject({ kind: z.literal('canary'), steps: z.array(stepSchema).min(1).max(50) }),
  /** All at once, with the champion kept ready for `returnMs`: `POST /rollouts/{id}/abort` brings it back in one step. */
  z.strictObject({ kind: z.literal('blue-green'), returnMs: durationMs.default(3_600_000) }),
  /** Linear, in steps of `incrementBp`. */
  z.strictObject({
    kind: z.literal('rolling'),
    fromBp: weightBp.default(0),
    toBp: z.int().min(1).max(10_000).default(10_000),
    incrementBp: z.int().min(1).max(10_000).default(500),
    durationMs: durationMs.default(3_600_000),
  }),
  /** A fixed split until it is decided. */
  z.strictObject({ kind: z.literal('ab'), weightBp: z.int().min(1).max(9_999).default(5_000) }),
]);

/** Mirrors traffic to the challengers before they get any of their own. */
const shadowFirstSchema = z.strictObject({
  sampleBp: z.int().min(1).max(10_000).default(1_000),
  durationMs: durationMs.default(600_000),
  minPairs: z.int().min(0).max(1_000_000_000).default(100),
  /** The share of mirrored calls that may fail beyond the champion's own; with more the rollout is rolled back without any caller having seen it. */
  maxErrorRate: z.number().min(0).max(1).default(0.05),
});

/** Who is asked over HTTP. A gate is a question: 2xx goes on, 409 refuses, everything else is asked again. */
export const HOOKS = ['confirm-start', 'confirm-step', 'confirm-promotion', 'on-rollback', 'on-end'] as const;
export type Hook = (typeof HOOKS)[number];

const webhookSchema = z.strictObject({
  hook: z.enum(HOOKS),
  url: z.url({ protocol: /^https?$/ }).max(2_000),
});

const INCONCLUSIVE = ['pause', 'rollback', 'end'] as const;

export const rolloutPlanSchema = z.strictObject({
  strategy: strategySchema,
  shadowFirst: shadowFirstSchema.nullable().default(null),
  /** Where a person must agree. `POST /rollouts/{id}/approve` does. */
  approvals: z
    .array(z.enum(['start', 'promotion']))
    .max(2)
    .default([]),
  webhooks: z.array(webhookSchema).max(10).default([]),
  /** How often it is looked at. */
  intervalMs: z.int().min(500).max(86_400_000).default(30_000),
  /** From the first challenger traffic on; then what is not decided is inconclusive. */
  maxDurationMs: durationMs.default(14 * 86_400_000),
  /** A decision is not made earlier, however clear (a day has its hours). The fast guard and guardrails are not bound by it. */
  minDurationMs: durationMs.default(0),
  /** `end`: the state inconclusive, with the weights from before. `pause`: a person decides. */
  onInconclusive: z.enum(INCONCLUSIVE).default('pause'),
  onEquivalent: z.enum(['promote', ...INCONCLUSIVE]).default('end'),
  /** Whether a challenger that is better is promoted by itself; else it waits for approval. */
  autoPromote: z.boolean().default(true),
  /** Guardrails or the primary metric are missing, or looks fail, for so long: it pauses. */
  missingMetricHoldMs: durationMs.default(86_400_000),
  /**
   * What becomes of a challenger that serves without a champion beside it, where nothing is known of the champion's failures before, so
   * that the fast guard has nothing to go by: `go_on`, and the story says so, or `pause`, so that a person decides.
   */
  onUnguarded: z.enum(['go_on', 'pause']).default('go_on'),
  /** Looks and decides, and writes down what it would do; moves nothing. */
  dryRun: z.boolean().default(false),
});

export type RolloutStrategy = z.output<typeof strategySchema>;
export type ShadowFirst = z.output<typeof shadowFirstSchema>;
export type RolloutPlan = z.output<typeof rolloutPlanSchema>;
