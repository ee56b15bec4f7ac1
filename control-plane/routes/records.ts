import { auditEntrySchema, listAudit } from '../audit/audit.ts';
import { noQuerySchema, type Operations } from '../http/operation.ts';
import { inferenceDetailSchema, inferenceQuerySchema, inferenceSchema } from '../inferences/inference-schemas.ts';
import { listInferencePage, showInference } from '../inferences/inferences.ts';
import { pageQuerySchema, pageSchema } from '../paging.ts';
import { gatewaysSchema, showGateways } from '../publish/gateways.ts';
import {
  AUDIT_EXAMPLE,
  GATEWAYS_EXAMPLE,
  INFERENCE_DETAIL_EXAMPLE,
  INFERENCE_EXAMPLE,
  pageExample,
} from './examples.ts';

/** What can be read and not changed: `/inferences`, `/gateways`, `/audit`. */
export function routeRecords(operations: Operations): void {
  operations.read({
    tag: 'inferences',
    path: '/inferences',
    operationId: 'listInferences',
    summary: 'List inferences, newest first',
    role: 'viewer',
    query: inferenceQuerySchema,
    answer: pageSchema(inferenceSchema),
    example: pageExample(INFERENCE_EXAMPLE),
    handle: async (tx, call) => ({ body: await listInferencePage(tx, call) }),
  });
  operations.read({
    tag: 'inferences',
    path: '/inferences/{id}',
    operationId: 'getInference',
    summary: 'Get an inference with what was captured of it',
    role: 'viewer',
    query: noQuerySchema,
    answer: inferenceDetailSchema,
    example: INFERENCE_DETAIL_EXAMPLE,
    handle: async (tx, call) => ({ body: await showInference(tx, call) }),
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
    query: pageQuerySchema,
    answer: pageSchema(auditEntrySchema),
    example: pageExample(AUDIT_EXAMPLE),
    handle: async (tx, call) => ({ body: await listAudit(tx, call) }),
  });
}
