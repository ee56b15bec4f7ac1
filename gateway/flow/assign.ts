import { createInferenceId } from '#core/ids.ts';
import { place } from '#core/split/assign.ts';
import { checkUnit } from '#core/unit.ts';
import type { BoundGroup, BoundOrganization } from '../snapshot/bind.ts';
import type { KeyRecord } from '../snapshot/key-table.ts';
import { headerText } from './header-text.ts';
import type { Assignment, Exchange, FlowDeps } from './ports.ts';

/** Assigns the request, once. The unit is, in this order: header `x-ringside-unit`, body `user`, the key's default, the inference id. */
export function assign(
  deps: FlowDeps,
  exchange: Exchange,
  organization: BoundOrganization,
  group: BoundGroup,
  key: KeyRecord,
  user: string | null,
): Assignment {
  exchange.id = createInferenceId(exchange.startUnixMs, group.group.hash, deps.random);
  const header = exchange.incoming.headers['x-ringside-unit'];
  const fromHeader = typeof header === 'string' ? checkUnit(headerText(header), 'x-ringside-unit') : null;
  const unit = fromHeader ?? user ?? key.defaultUnit ?? exchange.id;
  const unitSource =
    fromHeader !== null ? 'header' : user !== null ? 'user' : key.defaultUnit !== null ? 'key' : 'inference';
  const placement = place(group.group.split!, unit);
  return { organization, group, variant: group.variants[placement.variant]!, placement, unit, unitSource };
}
