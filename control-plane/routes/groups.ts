import { showAssignment } from '../groups/assignment.ts';
import { assignmentQuerySchema, assignmentViewSchema } from '../groups/assignment-schemas.ts';
import {
  createGroupSchema,
  groupSchema,
  updateGroupSchema,
  variantsSchema,
  weightsSchema,
} from '../groups/group-schemas.ts';
import type { createGroups } from '../groups/groups.ts';
import { changeGroupWeights, replaceGroupVariants } from '../groups/split.ts';
import { noQuerySchema, type Operations, versioned } from '../http/operation.ts';
import { pageQuerySchema, pageSchema } from '../paging.ts';
import { ASSIGNMENT_EXAMPLE, GROUP_EXAMPLE, pageExample, VARIANTS_EXAMPLE } from './examples.ts';

/** `/groups` */
export function routeGroups(operations: Operations, groups: ReturnType<typeof createGroups>): void {
  const tag = 'groups';
  const one = { tag, path: '/groups/{name}', answer: groupSchema, example: GROUP_EXAMPLE } as const;
  operations.read({
    ...{ tag, path: '/groups', operationId: 'listGroups', summary: 'List groups', role: 'viewer' },
    query: pageQuerySchema,
    answer: pageSchema(groupSchema),
    example: pageExample(GROUP_EXAMPLE),
    handle: async (tx, call) => ({ body: await groups.list(tx, call) }),
  });
  operations.change({
    ...{ tag, path: '/groups', operationId: 'createGroup', summary: 'Create a group', role: 'admin' },
    description: 'The group answers 503 until it has variants. Its tables in the inference log are made with it.',
    method: 'post',
    status: 201,
    body: {
      schema: createGroupSchema,
      example: { name: 'support-chat', description: 'Answers in the help centre' },
    },
    answer: groupSchema,
    example: { ...GROUP_EXAMPLE, variants: [], phase: 1 },
    handle: groups.create,
  });
  operations.read({
    ...{ ...one, operationId: 'getGroup', summary: 'Get a group', role: 'viewer' },
    query: noQuerySchema,
    handle: async (tx, call) => versioned(await groups.get(tx, call)),
  });
  operations.change({
    ...{ ...one, operationId: 'updateGroup', summary: 'Change a group', role: 'admin' },
    method: 'patch',
    status: 200,
    body: { schema: updateGroupSchema, example: { capture: { mode: 'none' } } },
    handle: groups.update,
  });
  operations.change({
    ...{ ...one, operationId: 'deleteGroup', summary: 'Delete a group', role: 'admin' },
    description: 'Its inferences stay in the log.',
    method: 'delete',
    status: 204,
    body: null,
    handle: groups.remove,
  });
  operations.read({
    ...{ tag, path: '/groups/{name}/assignment', operationId: 'showAssignment', role: 'viewer' },
    summary: 'Say which variant a unit is assigned to, and why',
    description:
      'By the newest configuration, whether or not every gateway serves it yet. For an inference that was made, see its own detail.',
    query: assignmentQuerySchema,
    answer: assignmentViewSchema,
    example: ASSIGNMENT_EXAMPLE,
    handle: async (tx, call) => ({ body: await showAssignment(tx, call) }),
  });
  routeSplit(operations);
}

function routeSplit(operations: Operations): void {
  const split = { tag: 'groups', status: 200, answer: groupSchema, example: GROUP_EXAMPLE } as const;
  operations.change({
    ...split,
    path: '/groups/{name}/variants',
    operationId: 'replaceVariants',
    summary: "Replace a group's variants",
    description: 'Only the buckets that must move do; units stay where they are otherwise.',
    role: 'admin',
    method: 'put',
    body: { schema: variantsSchema, name: 'variants', example: VARIANTS_EXAMPLE },
    handle: replaceGroupVariants,
  });
  operations.change({
    ...split,
    path: '/groups/{name}/weights',
    operationId: 'changeWeights',
    summary: "Change a group's weights",
    description:
      'Integer basis points that sum to 10 000. Units move only from variants that shrink to variants that grow.',
    role: 'operator',
    method: 'patch',
    body: { schema: weightsSchema, name: 'weights', example: { 'gpt-small': 8000, 'gpt-next': 2000 } },
    handle: changeGroupWeights,
  });
}
