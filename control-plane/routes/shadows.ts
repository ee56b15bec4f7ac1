import type { Clock } from '../clock.ts';
import type { Operations } from '../http/operation.ts';
import { shadowsQuerySchema, shadowsSchema } from '../shadow/shadow-schemas.ts';
import { showShadows } from '../shadow/shadows.ts';
import { SHADOWS_EXAMPLE } from './shadow-examples.ts';

/** `/groups/{name}/shadows`: what becomes of mirrored calls. */
export function routeShadows(operations: Operations, clock: Clock): void {
  operations.read({
    ...{ tag: 'groups', path: '/groups/{name}/shadows', operationId: 'compareShadows', role: 'viewer' },
    summary: 'Compare mirrored calls with the inferences that they mirror',
    description:
      'Means by unit of assignment; intervals and p-values hold however often one looks. Texts, tool calls and forms are compared where ' +
      'both answers were captured whole. A comparison that would take longer than 5 s is a 422 that says how to ask for less.',
    query: shadowsQuerySchema,
    answer: shadowsSchema,
    example: SHADOWS_EXAMPLE,
    handle: async (tx, call) => ({ body: await showShadows(tx, call, clock) }),
  });
}
