import type { Clock } from '../clock.ts';
import type { Operations } from '../http/operation.ts';
import { type EvaluatorAccessDeps, makeEvaluatorSecret } from '../shadow/evaluator-access.ts';
import { evaluatorSecretSchema, shadowsQuerySchema, shadowsSchema } from '../shadow/shadow-schemas.ts';
import { showShadows } from '../shadow/shadows.ts';
import { SHADOWS_EXAMPLE } from './shadow-examples.ts';

/** `/groups/{name}/shadows`: what becomes of mirrored calls. */
export function routeShadows(operations: Operations, clock: Clock, access: EvaluatorAccessDeps): void {
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
  operations.change({
    ...{ tag: 'groups', path: '/groups/{name}/evaluator-secret', operationId: 'makeEvaluatorSecret', role: 'admin' },
    summary: "Make the secret that calls to a group's evaluator are signed with",
    description:
      'The answer holds it, for the only time. Calls carry `x-ringside-signature: t=<Unix seconds>,v1=<HMAC-SHA-256 of "t.body">`. They show ' +
      'two answers in a drawn order, and expect `{"winner": "first" | "second" | "tie"}` or `{"score": -1 to 1}`, 1 for the first.',
    method: 'post',
    status: 201,
    body: null,
    answer: evaluatorSecretSchema,
    example: { group: 'support-chat', secret: 'rsw_…' },
    handle: (tx, call) => makeEvaluatorSecret(tx, call, access),
  });
}
