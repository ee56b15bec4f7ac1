import type { Operations } from '../http/operation.ts';
import { pageSchema } from '../paging.ts';
import {
  createFreezeSchema,
  type createFreezeWindows,
  freezeQuerySchema,
  freezeSchema,
} from '../rollout/freeze-windows.ts';
import { pageExample } from './examples.ts';
import { FREEZE_EXAMPLE } from './rollout-examples.ts';

/** `/freeze-windows` */
export function routeFreezeWindows(operations: Operations, windows: ReturnType<typeof createFreezeWindows>): void {
  const all = { tag: 'freeze-windows', path: '/freeze-windows' } as const;
  operations.read({
    ...{ ...all, operationId: 'listFreezeWindows', summary: 'List freeze windows', role: 'viewer' },
    description: 'By their beginning; without those that are over.',
    query: freezeQuerySchema,
    answer: pageSchema(freezeSchema),
    example: pageExample(FREEZE_EXAMPLE),
    handle: async (tx, call) => ({ body: await windows.list(tx, call) }),
  });
  operations.change({
    ...{ ...all, operationId: 'createFreezeWindow', summary: 'Freeze rollouts', role: 'admin' },
    description:
      'No rollout of the group, or of any group, goes forward in it. Guardrails, abort and rollback still work.',
    method: 'post',
    status: 201,
    body: {
      schema: createFreezeSchema,
      example: { startsAt: '2030-12-20T00:00:00Z', endsAt: '2031-01-02T00:00:00Z', reason: 'holidays' },
    },
    answer: freezeSchema,
    example: FREEZE_EXAMPLE,
    handle: windows.create,
  });
  operations.change({
    ...{ tag: 'freeze-windows', path: '/freeze-windows/{id}', operationId: 'deleteFreezeWindow', role: 'admin' },
    summary: 'Delete a freeze window',
    method: 'delete',
    status: 204,
    body: null,
    answer: freezeSchema,
    example: null,
    handle: windows.remove,
  });
}
