import { z } from '@hono/zod-openapi';
import type { WholeInferences } from '#store/captured-inferences.ts';
import { auditEntrySchema, auditQuerySchema, listAudit } from '../audit/audit.ts';
import { noQuerySchema, type Operations } from '../http/operation.ts';
import { showInference } from '../inferences/detail.ts';
import { exportInferences } from '../inferences/export.ts';
import { exportQuerySchema, inferenceQuerySchema } from '../inferences/inference-query.ts';
import { inferenceDetailSchema, inferenceSchema } from '../inferences/inference-schemas.ts';
import { listInferencePage } from '../inferences/inferences.ts';
import { pageSchema } from '../paging.ts';
import { gatewaysSchema, showGateways } from '../publish/gateways.ts';
import {
  AUDIT_EXAMPLE,
  EXPORT_EXAMPLE,
  GATEWAYS_EXAMPLE,
  INFERENCE_DETAIL_EXAMPLE,
  INFERENCE_EXAMPLE,
  pageExample,
} from './examples.ts';

const inferencePageSchema = pageSchema(inferenceSchema).extend({
  notice: z.string().nullable().openapi({
    description:
      'What the list lacks, in a sentence: where the rows of the log are in ClickHouse, those. Null: nothing.',
  }),
});

/**
 * What can be read and not changed: `/inferences`, `/gateways`, `/audit`.
 * @param elsewhere where the rows of the log are, if not in PostgreSQL
 */
export function routeRecords(operations: Operations, elsewhere: WholeInferences | undefined): void {
  operations.read({
    tag: 'inferences',
    path: '/inferences',
    operationId: 'listInferences',
    summary: 'List inferences: filtered, searched and sorted, newest first unless told otherwise',
    description:
      'Mirrored calls are left out unless `shadow` asks for them. A cursor holds for the filter and order that it was given out for. A list that would take longer than 5 s to find is a 422 ' +
      'that says how to ask for less.',
    role: 'viewer',
    query: inferenceQuerySchema,
    answer: inferencePageSchema,
    example: { ...pageExample(INFERENCE_EXAMPLE), notice: null },
    handle: async (tx, call) => ({ body: await listInferencePage(tx, call, elsewhere !== undefined) }),
  });
  operations.read({
    tag: 'inferences',
    path: '/inferences/{id}',
    operationId: 'getInference',
    summary: 'Get an inference: assignment explained, timings, what was captured',
    role: 'viewer',
    query: noQuerySchema,
    answer: inferenceDetailSchema,
    example: INFERENCE_DETAIL_EXAMPLE,
    handle: async (tx, call) => ({ body: await showInference(tx, call, elsewhere) }),
  });
  operations.stream({
    tag: 'inferences',
    path: '/inferences:export',
    operationId: 'exportInferences',
    summary: 'Export inferences as JSONL, CSV or a fine-tuning file',
    description:
      'Newest first, as a stream. One that was cut is gone on with by `after`; `ringside export --resume` does that. Where the rows of the log are in ClickHouse, the header `x-ringside-notice` says that they are missing.',
    role: 'viewer',
    query: exportQuerySchema,
    media: 'application/x-ndjson',
    answer: z.string(),
    example: EXPORT_EXAMPLE,
    handle: (call) => exportInferences(call, elsewhere !== undefined),
  });
  operations.read({
    tag: 'gateways',
    path: '/gateways',
    operationId: 'listGateways',
    summary: 'List gateways and the version that each serves',
    role: 'viewer',
    query: noQuerySchema,
    answer: gatewaysSchema,
    example: GATEWAYS_EXAMPLE,
    handle: async (tx, call) => ({ body: await showGateways(tx, call) }),
  });
  operations.read({
    tag: 'audit',
    path: '/audit',
    operationId: 'listAuditEntries',
    summary: 'List audit entries, newest first',
    role: 'viewer',
    query: auditQuerySchema,
    answer: pageSchema(auditEntrySchema),
    example: pageExample(AUDIT_EXAMPLE),
    handle: async (tx, call) => ({ body: await listAudit(tx, call) }),
  });
}
