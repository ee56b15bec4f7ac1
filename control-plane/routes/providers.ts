import { noQuerySchema, type Operations, versioned } from '../http/operation.ts';
import { pageQuerySchema, pageSchema } from '../paging.ts';
import { createProviderSchema, providerSchema, updateProviderSchema } from '../registry/provider-schemas.ts';
import type { createProviders } from '../registry/providers.ts';
import { PROVIDER_EXAMPLE, pageExample } from './examples.ts';

/** `/providers` */
export function routeProviders(operations: Operations, providers: ReturnType<typeof createProviders>): void {
  const tag = 'providers';
  const one = { tag, path: '/providers/{name}', answer: providerSchema, example: PROVIDER_EXAMPLE } as const;
  operations.read({
    ...{ tag, path: '/providers', operationId: 'listProviders', summary: 'List providers', role: 'viewer' },
    query: pageQuerySchema,
    answer: pageSchema(providerSchema),
    example: pageExample(PROVIDER_EXAMPLE),
    handle: async (tx, call) => ({ body: await providers.list(tx, call) }),
  });
  operations.change({
    ...{ tag, path: '/providers', operationId: 'createProvider', summary: 'Create a provider', role: 'admin' },
    description: 'The key and the values of headers are stored sealed and never shown again.',
    method: 'post',
    status: 201,
    body: {
      schema: createProviderSchema,
      example: { name: 'openai', kind: 'openai', baseUrl: 'https://api.openai.com/v1', apiKey: 'sk-…' },
    },
    answer: providerSchema,
    example: PROVIDER_EXAMPLE,
    handle: providers.create,
  });
  operations.read({
    ...{ ...one, operationId: 'getProvider', summary: 'Get a provider', role: 'viewer' },
    query: noQuerySchema,
    handle: async (tx, call) => versioned(await providers.get(tx, call)),
  });
  operations.change({
    ...{ ...one, operationId: 'updateProvider', summary: 'Change a provider', role: 'admin' },
    method: 'patch',
    status: 200,
    body: { schema: updateProviderSchema, example: { apiKey: 'sk-…' } },
    handle: providers.update,
  });
  operations.change({
    ...{ ...one, operationId: 'deleteProvider', summary: 'Delete a provider', role: 'admin' },
    description: 'Refused with a 409 while a model uses it.',
    method: 'delete',
    status: 204,
    body: null,
    handle: providers.remove,
  });
}
