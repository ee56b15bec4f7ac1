import type { ListedGroup, ModelList } from '../model-list.ts';

/** Model groups as OpenAI lists models: all at once. */
export const modelList: ModelList = {
  list: (groups) => ({ object: 'list', data: groups.map(one) }),
  one,
};

function one(group: ListedGroup): object {
  return { id: group.name, object: 'model', created: group.createdUnixS, owned_by: group.organization };
}
