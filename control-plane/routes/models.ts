import { noQuerySchema, type Operations, versioned } from '../http/operation.ts';
import { pageQuerySchema, pageSchema } from '../paging.ts';
import { createModelSchema, modelSchema, updateModelSchema } from '../registry/model-schemas.ts';
import type { createModels } from '../registry/models.ts';
import { MODEL_EXAMPLE, pageExample } from './examples.ts';

/** `/models` */
export function routeModels(operations: Operations, models: ReturnType<typeof createModels>): void {
  const tag = 'models';
  const one = { tag, path: '/models/{name}', answer: modelSchema, example: MODEL_EXAMPLE } as const;
  operations.read({
    ...{ tag, path: '/models', operationId: 'listModels', summary: 'List models', role: 'viewer' },
    query: pageQuerySchema,
    answer: pageSchema(modelSchema),
    example: pageExample(MODEL_EXAMPLE),
    handle: async (tx, call) => ({ body: await models.list(tx, call) }),
  });
  operations.change({
    ...{ tag, path: '/models', operationId: 'createModel', summary: 'Create a model', role: 'admin' },
    description: '`provider` and `upstreamModel` are short for one entry of `deployments`; send one or the other.',
    method: 'post',
    status: 201,
    body: {
      schema: createModelSchema,
      example: { name: 'gpt-small', provider: 'openai', upstreamModel: 'gpt-4.1-mini', meta: { team: 'search' } },
    },
    answer: modelSchema,
    example: MODEL_EXAMPLE,
    handle: models.create,
  });
  operations.read({
    ...{ ...one, operationId: 'getModel', summary: 'Get a model', role: 'viewer' },
    query: noQuerySchema,
    handle: async (tx, call) => versioned(await models.get(tx, call)),
  });
  operations.change({
    ...{ ...one, operationId: 'updateModel', summary: 'Change a model', role: 'admin' },
    method: 'patch',
    status: 200,
    body: { schema: updateModelSchema, example: { upstreamModel: 'gpt-4.1' } },
    handle: models.update,
  });
  operations.change({
    ...{ ...one, operationId: 'deleteModel', summary: 'Delete a model', role: 'admin' },
    description: 'Refused with a 409 while it is a variant of a group.',
    method: 'delete',
    status: 204,
    body: null,
    handle: models.remove,
  });
}
