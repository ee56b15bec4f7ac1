/** A model group as OpenAI lists a model. */
export interface ListedGroup {
  readonly name: string;
  readonly createdUnixS: number;
  readonly organization: string;
}

export function modelBody(group: ListedGroup): object {
  return { id: group.name, object: 'model', created: group.createdUnixS, owned_by: group.organization };
}

export function modelListBody(groups: readonly ListedGroup[]): object {
  return { object: 'list', data: groups.map(modelBody) };
}
