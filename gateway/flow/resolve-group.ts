import { RingsideError } from '#core/errors.ts';
import type { BoundGroup, BoundOrganization } from '../snapshot/bind.ts';
import type { KeyRecord } from '../snapshot/key-table.ts';

/** The organization of a key. */
export function resolveOrganization(
  organizations: ReadonlyMap<string, BoundOrganization>,
  key: KeyRecord,
): BoundOrganization {
  const organization = organizations.get(key.organizationId);
  if (organization !== undefined) return organization;
  throw new RingsideError(
    'config_unavailable',
    'This gateway has no configuration for your organization yet; try again.',
    {
      retryAfterSeconds: 1,
    },
  );
}

/** The group that `model` names, if the key may use it. */
export function resolveGroup(organization: BoundOrganization, key: KeyRecord, model: string): BoundGroup {
  const group = organization.groups.get(model);
  if (group === undefined) {
    throw new RingsideError('group_not_found', `The model group "${model.slice(0, 200)}" does not exist.`, {
      param: 'model',
    });
  }
  if (!mayUse(key, group)) {
    throw new RingsideError('forbidden', `This API key may not use the model group "${model}".`, { param: 'model' });
  }
  if (group.group.split === null) {
    throw new RingsideError(
      'group_not_ready',
      `The model group "${model}" has no variants yet; set them with PUT /groups/{name}/variants.`,
    );
  }
  return group;
}

export function mayUse(key: KeyRecord, group: BoundGroup): boolean {
  return key.groupIds === null || key.groupIds.includes(group.group.id);
}
