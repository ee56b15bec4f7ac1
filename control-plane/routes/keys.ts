import { noQuerySchema, type Operations, versioned } from '../http/operation.ts';
import { createdKeySchema, createKeySchema, keySchema, updateKeySchema } from '../keys/key-schemas.ts';
import type { createKeys } from '../keys/keys.ts';
import { pageQuerySchema, pageSchema } from '../paging.ts';
import { KEY_EXAMPLE, pageExample } from './examples.ts';

/** `/keys` */
export function routeKeys(operations: Operations, keys: ReturnType<typeof createKeys>): void {
  const tag = 'keys';
  const one = { tag, path: '/keys/{id}', answer: keySchema, example: KEY_EXAMPLE } as const;
  operations.read({
    ...{ tag, path: '/keys', operationId: 'listKeys', summary: 'List API keys', role: 'viewer' },
    query: pageQuerySchema,
    answer: pageSchema(keySchema),
    example: pageExample(KEY_EXAMPLE),
    handle: async (tx, call) => ({ body: await keys.list(tx, call) }),
  });
  operations.change({
    ...{ tag, path: '/keys', operationId: 'createKey', summary: 'Create an API key', role: 'admin' },
    description: 'The answer holds the key, for the only time; only its HMAC is stored.',
    method: 'post',
    status: 201,
    body: { schema: createKeySchema, example: { name: 'help-centre', groups: ['support-chat'] } },
    answer: createdKeySchema,
    example: { ...KEY_EXAMPLE, key: 'rsk_…' },
    handle: keys.create,
  });
  operations.read({
    ...{ ...one, operationId: 'getKey', summary: 'Get an API key', role: 'viewer' },
    query: noQuerySchema,
    handle: async (tx, call) => versioned(await keys.get(tx, call)),
  });
  operations.change({
    ...{ ...one, operationId: 'updateKey', summary: 'Change an API key', role: 'admin' },
    method: 'patch',
    status: 200,
    body: { schema: updateKeySchema, example: { expiresAt: '2030-01-01T00:00:00Z' } },
    handle: keys.update,
  });
  operations.change({
    ...{ ...one, operationId: 'deleteKey', summary: 'Delete an API key', role: 'admin' },
    description: 'Gateways refuse it as soon as `x-ringside-served` says so.',
    method: 'delete',
    status: 204,
    body: null,
    handle: keys.remove,
  });
}
