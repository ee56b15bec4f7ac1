import { z } from 'zod';

const decisionSchema = z.discriminatedUnion('kind', [
  /** `because`: what must still hold when it is done. */
  z.object({
    kind: z.literal('promote'),
    arm: z.int(),
    because: z.enum(['better', 'equivalent', 'time', 'person']),
    reason: z.string(),
  }),
  z.object({ kind: z.literal('rollback'), reason: z.string() }),
  z.object({ kind: z.literal('end'), reason: z.string() }),
]);

const pauseSchema = z.object({
  sinceMs: z.number(),
  reason: z.string(),
  /** `max_duration`: going on means another such time. */
  cause: z.enum(['person', 'evidence', 'missing', 'gate', 'max_duration']),
});

/** What the state machine keeps beside its state (`rollouts.memory`). Everything has a default: a draft remembers nothing. */
export const rolloutMemorySchema = z.object({
  /** In a draft: its start was asked for and is not allowed yet. Missing otherwise; the engine finds drafts by it. */
  requestedAtMs: z.number().optional(),
  /** Which step of the ramp. */
  stage: z.int().default(0),
  /** When the clock of the present state or stage began; the time of a pause is left out by moving it on. */
  sinceMs: z.number().default(0),
  /** When the challengers got their first traffic, likewise. */
  trafficSinceMs: z.number().nullable().default(null),
  /** By arm: units counted before the stage began. */
  unitsBefore: z.array(z.number()).default([]),
  pause: pauseSchema.nullable().default(null),
  /** What holds it since when: metrics that nobody measures, or why nobody can look. */
  missing: z
    .object({ sinceMs: z.number(), metrics: z.array(z.string()), failure: z.string().nullable().default(null) })
    .nullable()
    .default(null),
  /** Arms that were taken out alone. */
  removed: z.array(z.int()).default([]),
  /** What was said or acted on once, and is not again. */
  noted: z.array(z.string()).default([]),
  /** What a person or webhooks were asked, by the key of the move that waits for it. */
  asked: z.string().nullable().default(null),
  approved: z.array(z.string()).default([]),
  /** The move whose wait a person has ended. */
  skipped: z.string().nullable().default(null),
  /** After a refusal, and after a decision that was taken back, the same is asked anew. */
  gateRound: z.int().default(0),
  decision: decisionSchema.nullable().default(null),
  /** The group's policy of mirroring from before the shadow stage. */
  shadowBefore: z.record(z.string(), z.unknown()).optional(),
  /** Whether units' history has been read. */
  historyRead: z.boolean().default(false),
});

export type RolloutMemory = z.output<typeof rolloutMemorySchema>;
export type Decision = z.output<typeof decisionSchema>;
export type PauseCause = z.output<typeof pauseSchema>['cause'];

export const EMPTY_MEMORY: RolloutMemory = rolloutMemorySchema.parse({});
