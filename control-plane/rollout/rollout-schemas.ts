import { z } from '@hono/zod-openapi';
import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { nameSchema } from '#core/names.ts';
import { rolloutPlanSchema } from '#core/rollout/plan.ts';
import { ROLLOUT_STATES } from '#core/rollout/state.ts';
import { COMMANDS } from '#core/rollout/step.ts';
import { pageQuerySchema } from '../paging.ts';

const MAX_CHALLENGERS = 10;

const name = nameSchema.meta({
  description: 'For people and paths; of several rollouts with a name, paths mean the newest.',
  example: 'gpt-next-july',
});
const challengers = z
  .array(nameSchema)
  .min(1)
  .max(MAX_CHALLENGERS)
  .meta({
    description:
      "Models, by name or id: challengers of the group, or models that become one with the start. Each of them gets the strategy's weights.",
    example: ['gpt-next'],
  });
const reason = z.string().trim().min(1).max(2_000).optional().meta({
  description: 'Why, for the story and the audit log.',
  example: 'the release is out',
});

const experiment = experimentDefinitionSchema.meta({
  description:
    'What is measured and how it is decided: a primary metric, guardrails and their margins. Built-in metrics: error_rate, latency, latency_over_objective, first_token, first_token_over_objective, input_tokens, output_tokens, cost, cache_hit_rate, refusal_rate; others come as feedback and need a `direction`.',
});
const plan = rolloutPlanSchema.meta({
  description:
    'How traffic moves: the strategy (`direct`, `canary`, `blue-green`, `rolling`, `ab`), a shadow stage before it, approvals, webhooks and times. Weights are integer basis points. URLs of webhooks are shown to whoever may read the rollout: calls are signed, so that they need no secret in them.',
});

export const createRolloutSchema = z
  .strictObject({
    group: nameSchema.meta({ description: 'Name or id of the group.', example: 'support-chat' }),
    name,
    challengers,
    experiment: experiment.prefault({}),
    plan,
    start: z.boolean().default(false).meta({ description: 'Start it at once.' }),
    reason,
  })
  .openapi('CreateRollout');

/** Each field is replaced whole. */
export const updateRolloutSchema = z
  .strictObject({
    name: name.optional(),
    challengers: challengers.optional(),
    experiment: experiment.optional(),
    plan: plan.optional(),
  })
  .openapi('UpdateRollout');

export const orderSchema = z.strictObject({ reason }).openapi('RolloutOrder');

export const promoteSchema = z
  .strictObject({
    reason,
    challenger: nameSchema
      .optional()
      .meta({ description: 'Which one becomes champion; required where there are several.', example: 'gpt-next' }),
  })
  .openapi('PromoteRollout');

export const rolloutQuerySchema = pageQuerySchema.extend({
  group: nameSchema.optional().meta({ description: 'Name or id of a group.', example: 'support-chat' }),
  state: z
    .enum(['active', ...ROLLOUT_STATES])
    .optional()
    .meta({ description: '`active`: those that have not ended.', example: 'active' }),
});

const moment = z.iso.datetime();

export const rolloutSchema = z
  .object({
    id: z.uuid().openapi({ description: 'Also the id of its experiment.' }),
    name: nameSchema,
    group: z.string(),
    state: z.enum(ROLLOUT_STATES),
    paused: z
      .object({ since: moment, cause: z.string(), reason: z.string() })
      .nullable()
      .openapi({ description: 'A pause stops the clock of the state that it is in.' }),
    champion: z.string(),
    challengers: z.array(z.string()),
    removed: z
      .array(z.string())
      .openapi({ description: 'Of the challengers, those that were taken out alone; the others go on.' }),
    phase: z.int().openapi({ description: 'Of the experiment: evidence of different phases is never pooled.' }),
    step: z
      .object({ number: z.int(), of: z.int(), weightBp: z.int() })
      .nullable()
      .openapi({ description: 'Which step of the ramp, from 1, and what each challenger gets in it.' }),
    since: moment.openapi({ description: 'When the present state or step began; pauses are left out.' }),
    weights: z
      .record(z.string(), z.int())
      .openapi({ description: 'What the models of the group have now, in basis points.' }),
    waitsFor: z.string().openapi({ description: 'What has to happen before it goes on, in a sentence.' }),
    notes: z.array(z.string()).openapi({
      description:
        'What the strategy keeps from being judged, and what watches instead, in sentences; empty: everything is judged.',
    }),
    nextLookAt: moment.nullable().openapi({ description: 'When it is looked at next; null: it is not.' }),
    possible: z.array(z.enum(COMMANDS)).openapi({ description: 'What may be ordered now.' }),
    reason: z.string().openapi({ description: 'Why it is where it is.' }),
    experiment: experimentDefinitionSchema,
    plan: rolloutPlanSchema,
    version: z.int(),
    createdAt: moment,
    updatedAt: moment,
    startedAt: moment.nullable(),
    endedAt: moment.nullable(),
  })
  .openapi('Rollout');

export const rolloutWithSecretSchema = rolloutSchema
  .extend({
    webhookSecret: z.string().optional().openapi({
      description: 'What calls to webhooks are signed with. Shown once, when the rollout gets its first webhook.',
    }),
  })
  .openapi('RolloutWithSecret');

export const transitionSchema = z
  .object({
    id: z.int(),
    at: moment,
    event: z.string(),
    from: z.string(),
    to: z.string(),
    reason: z.string(),
    actor: z.string().openapi({ description: '`rollout-engine`, or who ordered it.' }),
    weights: z.record(z.string(), z.int()).nullable().openapi({ description: 'Null: none were moved.' }),
    phase: z.int(),
    configVersion: z.int().nullable(),
  })
  .openapi('RolloutTransition');

export const deliverySchema = z
  .object({
    id: z.uuid().openapi({ description: '`x-ringside-delivery` of every attempt.' }),
    hook: z.string(),
    gate: z.string(),
    state: z.enum(['pending', 'approved', 'denied', 'failed']),
    attempts: z.int(),
    nextAt: moment.nullable().openapi({ description: 'When it is tried next; null: no more.' }),
    detail: z.string().openapi({ description: 'What the other side said, or what went wrong.' }),
    payload: z.record(z.string(), z.unknown()),
    createdAt: moment,
    updatedAt: moment,
  })
  .openapi('RolloutWebhookDelivery');

export type CreateRollout = z.output<typeof createRolloutSchema>;
export type UpdateRollout = z.output<typeof updateRolloutSchema>;
export type Order = z.output<typeof orderSchema>;
export type Promote = z.output<typeof promoteSchema>;
export type RolloutQuery = z.output<typeof rolloutQuerySchema>;
export type RolloutView = z.output<typeof rolloutSchema>;
export type TransitionView = z.output<typeof transitionSchema>;
export type DeliveryView = z.output<typeof deliverySchema>;
