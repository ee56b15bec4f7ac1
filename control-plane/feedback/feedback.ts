import { z } from '@hono/zod-openapi';
import { metricNameSchema } from '#core/experiments/metrics.ts';
import { FEEDBACK_KINDS } from '#inference-log/feedback-record.ts';
import { type FeedbackRow, listFeedback } from '#store/feedback.ts';
import type { Tx } from '#store/pool.ts';
import type { ReadCall } from '../http/operation.ts';
import { decodeCursor, type Page, pageQuerySchema, toPage } from '../paging.ts';

export const FEEDBACK_STATES = ['pending', 'joined', 'unmatched'] as const;

export const feedbackQuerySchema = pageQuerySchema.extend({
  inference: z
    .uuid()
    .optional()
    .openapi({ description: 'Of this inference. Reports that named a correlation are found once they are joined.' }),
  experiment: z
    .uuid()
    .optional()
    .openapi({ description: 'That count in this experiment, or are of its mirrored calls.' }),
  metric: metricNameSchema.optional().openapi({ example: 'thumbs_up' }),
  state: z.enum(FEEDBACK_STATES).optional(),
});

export const feedbackSchema = z
  .object({
    id: z.string().openapi({ description: "The reporter's, or ours where it gave none." }),
    inferenceId: z
      .uuid()
      .nullable()
      .openapi({ description: 'Null while a report that named a correlation is not joined.' }),
    correlationId: z.string().nullable(),
    metric: z.string(),
    kind: z.enum(FEEDBACK_KINDS),
    value: z.union([z.number(), z.boolean()]).nullable(),
    label: z.string().nullable(),
    comment: z.string().nullable(),
    keyId: z.uuid(),
    at: z.iso.datetime().openapi({ description: 'When it was observed, as its reporter says.' }),
    receivedAt: z.iso.datetime(),
    state: z.enum(FEEDBACK_STATES).openapi({
      description:
        '`pending`: its inference is not stored yet. `joined`: it is known. `unmatched`: it did not come within the attribution window.',
    }),
    joinedAt: z.iso.datetime().nullable(),
    experimentId: z.uuid().nullable().openapi({
      description:
        'Where it counts; null where the inference counts in no experiment, or the report came after its window.',
    }),
    phase: z.int().nullable(),
    arm: z.int().nullable().openapi({ description: '0 is the champion.' }),
    isShadow: z.boolean().openapi({ description: 'Of a mirrored call, whose answer nobody got.' }),
    delayMs: z.int().nullable().openapi({ description: 'From the inference to `at`.' }),
  })
  .openapi('Feedback');

export type FeedbackView = z.output<typeof feedbackSchema>;

/** The newest reports of an inference that its detail shows; the list has them all. */
const SHOWN_OF_INFERENCE = 100;

/** `<milliseconds>/<id>` */
const placeSchema = z
  .string()
  .regex(/^\d{1,15}\/.{1,200}$/s)
  .transform((text) => {
    const at = text.indexOf('/');
    return { receivedAt: new Date(Number(text.slice(0, at))), id: text.slice(at + 1) };
  });

/** Reports of feedback, newest first. */
export async function listFeedbackPage(
  tx: Tx,
  { organizationId, query }: ReadCall<z.output<typeof feedbackQuerySchema>>,
): Promise<Page<FeedbackView>> {
  const { inference, experiment, metric, state, limit } = query;
  const filter = { inferenceId: inference, experimentId: experiment, metric, state };
  const after = decodeCursor(query.cursor, placeSchema);
  const rows = await listFeedback(tx, organizationId, filter, { after, limit: limit + 1 });
  return toPage(rows, limit, feedbackView, (row) => `${row.received_at.getTime()}/${row.id}`);
}

/** What was reported of one inference. */
export async function feedbackOfInference(
  tx: Tx,
  organizationId: string,
  inferenceId: string,
): Promise<FeedbackView[]> {
  const filter = { inferenceId, experimentId: undefined, metric: undefined, state: undefined };
  const rows = await listFeedback(tx, organizationId, filter, { after: undefined, limit: SHOWN_OF_INFERENCE });
  return rows.map(feedbackView);
}

function feedbackView(row: FeedbackRow): FeedbackView {
  return {
    id: row.id,
    inferenceId: row.inference_id,
    correlationId: row.correlation,
    metric: row.metric,
    kind: row.kind,
    value: row.value === null ? null : row.kind === 'boolean' ? Number(row.value) === 1 : Number(row.value),
    label: row.label,
    comment: row.comment,
    keyId: row.key_id,
    at: row.at.toISOString(),
    receivedAt: row.received_at.toISOString(),
    state: row.state,
    joinedAt: row.joined_at?.toISOString() ?? null,
    experimentId: row.experiment_id,
    phase: row.phase,
    arm: row.arm,
    isShadow: row.is_shadow,
    delayMs: row.delay_ms,
  };
}
