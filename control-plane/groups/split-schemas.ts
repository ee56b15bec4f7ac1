import { z } from '@hono/zod-openapi';
import { srmSchema } from '../experiments/look-schemas.ts';
import { SPLIT_REASONS } from './split-truth.ts';

const time = z.iso.datetime();
const moment = z.iso.datetime({ offset: true });
const counts = z.record(z.string(), z.int());

export const splitQuerySchema = z.strictObject({
  since: moment.optional().openapi({ description: 'Cut to its minute. Without it: an hour ago.' }),
  until: moment.optional().openapi({ description: 'Without it: now.' }),
  step: z.coerce.number().int().min(1).max(1_440).default(1).openapi({ description: 'Minutes; at most 500 steps.' }),
});

const variantSchema = z.object({
  model: z.string(),
  configuredBp: z.number().openapi({ description: 'Weighted by time, where it changed within the step.' }),
  assigned: z.int(),
  assignedShare: z.number(),
  served: z.int().openapi({ description: 'Answers of this variant, whoever was assigned.' }),
  servedShare: z.number().openapi({ description: 'Of all that were served.' }),
  deviation: z.number().nullable().openapi({
    description: 'By how much chance moves `assignedShare`, given how the requests spread over units; null: not known.',
  }),
  became: z
    .object({
      servedAssigned: z.int(),
      fallback: counts.openapi({ description: 'By the variant that answered instead.' }),
      errors: counts.openapi({ description: 'By error code.' }),
      clientClosed: z.int(),
      interrupted: z.int(),
      pinned: z.int(),
    })
    .openapi({ description: 'What became of those that were assigned: all of it sums up to `assigned`.' }),
});

export const splitSchema = z
  .object({
    group: z.string(),
    groupId: z.uuid(),
    since: time,
    until: time,
    stepMinutes: z.int(),
    notes: z.array(z.string()),
    steps: z.array(
      z.object({
        from: time,
        until: time,
        requests: z.int(),
        units: z.int().nullable(),
        variants: z.array(variantSchema),
        reasons: z.array(
          z.object({
            difference: z.enum(['assigned', 'served']),
            code: z.enum(SPLIT_REASONS),
            variant: z.string().nullable(),
            count: z.int().nullable(),
            detail: z.string(),
          }),
        ),
      }),
    ),
    experiment: z.object({ id: z.uuid(), name: z.string(), srm: srmSchema }).nullable().openapi({
      description: 'The one that runs, and whether its units fell to its arms as they should, since its start.',
    }),
  })
  .openapi('SplitTruth');

export type SplitQuery = z.output<typeof splitQuerySchema>;
export type SplitView = z.output<typeof splitSchema>;
