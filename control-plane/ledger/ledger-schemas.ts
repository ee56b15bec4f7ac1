import { z } from '@hono/zod-openapi';
import { nameSchema } from '#core/names.ts';
import { pageQuerySchema } from '../paging.ts';

const time = z.iso.datetime({ offset: true });

export const ledgerQuerySchema = pageQuerySchema.extend({
  group: nameSchema
    .optional()
    .openapi({ description: 'Name or id; deleted groups are found too. Without it: all groups.' }),
  gateway: z.uuid().optional().openapi({ description: 'The id of a gateway process.' }),
  since: time.optional().openapi({ description: 'At or after this moment.', example: '2030-01-01T00:00:00Z' }),
  until: time.optional().openapi({ description: 'Before this moment.' }),
});

export const ledgerEntrySchema = z
  .object({
    gatewayId: z.uuid(),
    gateway: z
      .object({
        host: z.string(),
        startedAt: z.iso.datetime(),
        seenAt: z.iso.datetime(),
        stoppedAt: z.iso.datetime().nullable(),
        state: z.enum(['live', 'stopped', 'vanished']),
      })
      .nullable()
      .openapi({ description: 'The process; null when it never reported.' }),
    group: z.string(),
    groupId: z.uuid(),
    accepted: z
      .int()
      .openapi({ description: 'Dispatched, so they must be recorded. = recorded + inFlight + interrupted' }),
    recorded: z.int().openapi({ description: 'Ended. = stored + spooled + archived + expired + the sum of dropped' }),
    inFlight: z.int(),
    interrupted: z.int().openapi({ description: 'Cut off by a crash; stored with that outcome.' }),
    stored: z.int().openapi({ description: 'In the tables now.' }),
    spooled: z.int().openapi({ description: "In the gateway's spool, on their way." }),
    archived: z.int(),
    expired: z.int(),
    dropped: z.record(z.string(), z.int()).openapi({ description: 'Records that are not in the log, by reason.' }),
    balance: z.enum(['balanced', 'open', 'gap', 'unreported']).openapi({
      description:
        '`balanced`: both equations hold and nothing is under way. `open`: what is missing may still come. `gap`: it will ' +
        'not; `missing` says how many. `unreported`: the gateway does not report its side.',
    }),
    missing: z.int(),
    reportedAt: z.iso.datetime().nullable().openapi({
      description: "When the gateway's own figures last changed in the store; null: it does not report them.",
    }),
  })
  .openapi('LedgerEntry');

export const ledgerMinuteSchema = z
  .object({
    minute: z.iso.datetime().openapi({ description: 'The start of the minute in which the inferences began.' }),
    gatewayId: z.uuid(),
    group: z.string(),
    groupId: z.uuid(),
    stored: z.int().openapi({ description: 'Rows that ended, those archived or expired since included.' }),
    failed: z.int().openapi({ description: 'Of them, those with an error code.' }),
    interrupted: z.int(),
  })
  .openapi('LedgerMinute');

export type LedgerQuery = z.output<typeof ledgerQuerySchema>;
export type LedgerEntryView = z.output<typeof ledgerEntrySchema>;
export type LedgerMinuteView = z.output<typeof ledgerMinuteSchema>;
