import { groupSchema } from '../groups/group-schemas.ts';
import { noQuerySchema, type Operations, versioned } from '../http/operation.ts';
import { pageQuerySchema, pageSchema } from '../paging.ts';
import type { createRolloutOrders } from '../rollout/order-calls.ts';
import {
  createRolloutSchema,
  deliverySchema,
  orderSchema,
  promoteSchema,
  rolloutQuerySchema,
  rolloutSchema,
  rolloutWithSecretSchema,
  transitionSchema,
  updateRolloutSchema,
} from '../rollout/rollout-schemas.ts';
import type { createRollouts } from '../rollout/rollouts.ts';
import { GROUP_EXAMPLE, pageExample } from './examples.ts';
import {
  CREATE_ROLLOUT_EXAMPLE,
  DELIVERY_EXAMPLE,
  ROLLOUT_EXAMPLE,
  TRANSITION_EXAMPLE,
  WEBHOOK_SECRET_EXAMPLE,
} from './rollout-examples.ts';

const tag = 'rollouts';

/** `/rollouts` and `/groups/{name}/rollback` */
export function routeRollouts(
  operations: Operations,
  rollouts: ReturnType<typeof createRollouts>,
  orders: ReturnType<typeof createRolloutOrders>,
): void {
  routeReads(operations, rollouts);
  routeDrafts(operations, rollouts);
  routeOrders(operations, orders);
}

function routeReads(operations: Operations, rollouts: ReturnType<typeof createRollouts>): void {
  operations.read({
    ...{ tag, path: '/rollouts', operationId: 'listRollouts', summary: 'List rollouts', role: 'viewer' },
    description: 'Newest first.',
    query: rolloutQuerySchema,
    answer: pageSchema(rolloutSchema),
    example: pageExample(ROLLOUT_EXAMPLE),
    handle: async (tx, call) => ({ body: await rollouts.list(tx, call) }),
  });
  operations.read({
    ...{ tag, path: '/rollouts/{id}', operationId: 'getRollout', summary: 'Get a rollout', role: 'viewer' },
    description: 'Where it is, what it waits for, and what may be ordered now.',
    query: noQuerySchema,
    answer: rolloutSchema,
    example: ROLLOUT_EXAMPLE,
    handle: async (tx, call) => versioned(await rollouts.get(tx, call)),
  });
  operations.read({
    ...{ tag, path: '/rollouts/{id}/transitions', operationId: 'listRolloutTransitions', role: 'viewer' },
    summary: 'The story of a rollout',
    description: 'Every step that it has taken, by whom and why, newest first.',
    query: pageQuerySchema,
    answer: pageSchema(transitionSchema),
    example: pageExample(TRANSITION_EXAMPLE),
    handle: async (tx, call) => ({ body: await rollouts.transitions(tx, call) }),
  });
  operations.read({
    ...{ tag, path: '/rollouts/{id}/webhooks', operationId: 'listRolloutWebhooks', role: 'viewer' },
    summary: 'The calls to webhooks of a rollout',
    description:
      'A call is a POST of JSON with `x-ringside-delivery` (the same at each attempt) and `x-ringside-signature: t=<Unix seconds>,v1=<HMAC-SHA-256 of "t.body" with the webhook secret, in hexadecimal>`. To a question (`confirm-…`) 2xx agrees, 409 or 403 with a reason refuses; everything else is tried again with growing waits.',
    query: pageQuerySchema,
    answer: pageSchema(deliverySchema),
    example: pageExample(DELIVERY_EXAMPLE),
    handle: async (tx, call) => ({ body: await rollouts.webhooks(tx, call) }),
  });
}

function routeDrafts(operations: Operations, rollouts: ReturnType<typeof createRollouts>): void {
  operations.change({
    ...{ tag, path: '/rollouts', operationId: 'createRollout', summary: 'Create a rollout', role: 'admin' },
    description:
      'A draft, which moves nothing until it is started; `start: true` starts it at once. It is checked against its group, and again when it starts.',
    method: 'post',
    status: 201,
    body: { schema: createRolloutSchema, example: CREATE_ROLLOUT_EXAMPLE },
    answer: rolloutWithSecretSchema,
    example: { ...ROLLOUT_EXAMPLE, webhookSecret: WEBHOOK_SECRET_EXAMPLE },
    handle: rollouts.create,
  });
  operations.change({
    ...{ tag, path: '/rollouts/{id}', operationId: 'updateRollout', summary: 'Change a draft', role: 'admin' },
    description: 'Each field that is given is replaced whole. What has been started does not change any more.',
    method: 'patch',
    status: 200,
    body: { schema: updateRolloutSchema, example: { plan: { strategy: { kind: 'ab', weightBp: 2_000 } } } },
    answer: rolloutWithSecretSchema,
    example: ROLLOUT_EXAMPLE,
    handle: rollouts.update,
  });
  operations.change({
    ...{ tag, path: '/rollouts/{id}', operationId: 'deleteRollout', summary: 'Delete a draft', role: 'admin' },
    method: 'delete',
    status: 204,
    body: null,
    answer: rolloutSchema,
    example: null,
    handle: rollouts.remove,
  });
}

const ORDERS = {
  start: ['Start a rollout', 'From here on its weights, and its evidence, are its own.'],
  pause: ['Pause a rollout', 'Stops its clock; weights stay. The way back stays open, by guardrails too.'],
  resume: ['Resume a rollout', 'Goes on where it was; the time of the pause does not count.'],
  skip: ['Skip the present step', 'Ends its wait. Webhooks, freezes and missing metrics still hold it.'],
  approve: ['Approve what a rollout asks for', 'The start, a step or the promotion, whichever it waits for.'],
  reject: ['Reject what a rollout asks for', 'A start stays a draft, a step becomes a pause, a promotion goes back.'],
  abort: [
    'Abort a rollout',
    'The weights from before its start come back, bucket by bucket; it ends without a verdict.',
  ],
  rollback: ['Roll a rollout back', 'The weights from before its start come back; the challenger has lost.'],
} as const;

function routeOrders(operations: Operations, orders: ReturnType<typeof createRolloutOrders>): void {
  const shown = { method: 'post', status: 200, answer: rolloutSchema, example: ROLLOUT_EXAMPLE } as const;
  const repeated = 'What it is already is no error. Another state is a 409 that says what is possible.';
  for (const kind of Object.keys(ORDERS) as (keyof typeof ORDERS)[]) {
    const [summary, description] = ORDERS[kind];
    operations.change({
      ...{ tag, path: `/rollouts/{id}/${kind}`, operationId: `${kind}Rollout`, summary, role: 'operator', ...shown },
      description: `${description} ${repeated}`,
      body: { schema: orderSchema, optional: true, example: { reason: 'the release is out' } },
      handle: (tx, call) => orders.order(tx, call, kind),
    });
  }
  operations.change({
    ...{ tag, path: '/rollouts/{id}/promote', operationId: 'promoteRollout', role: 'operator', ...shown },
    summary: 'Promote a challenger',
    description: `It becomes champion with all traffic, without waiting for evidence. The old champion stays as a challenger with weight 0. ${repeated}`,
    body: { schema: promoteSchema, optional: true, example: { challenger: 'gpt-next', reason: 'good enough' } },
    handle: orders.promote,
  });
  operations.change({
    ...{ tag: 'groups', path: '/groups/{name}/rollback', operationId: 'rollBackGroup', role: 'operator' },
    summary: 'Go back to the split before',
    description:
      'The exact split that the group had before its present one, bucket by bucket; a promotion is taken back whole. A rollout that is under way is rolled back. A second call takes back the first.',
    method: 'post',
    status: 200,
    body: { schema: orderSchema, optional: true, example: { reason: 'complaints' } },
    answer: groupSchema,
    example: GROUP_EXAMPLE,
    handle: orders.rollBackGroup,
  });
}
