import { feedbackQuerySchema, feedbackSchema, listFeedbackPage } from '../feedback/feedback.ts';
import type { Operations } from '../http/operation.ts';
import { pageSchema } from '../paging.ts';
import { FEEDBACK_EXAMPLE, pageExample } from './examples.ts';

/** `/feedback`: what applications reported of inferences, through the gateway. */
export function routeFeedback(operations: Operations): void {
  operations.read({
    tag: 'feedback',
    path: '/feedback',
    operationId: 'listFeedback',
    summary: 'List feedback, newest first',
    description:
      'Applications report it at the gateway, `POST /v1/feedback`. A report is joined with its inference within about a second; ' +
      'one that comes before its inference is stored waits for it.',
    role: 'viewer',
    query: feedbackQuerySchema,
    answer: pageSchema(feedbackSchema),
    example: pageExample(FEEDBACK_EXAMPLE),
    handle: async (tx, call) => ({ body: await listFeedbackPage(tx, call) }),
  });
}
