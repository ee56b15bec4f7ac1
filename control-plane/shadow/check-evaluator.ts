import type { Evaluator } from '#core/snapshot/shadow-policy.ts';
import type { AddressPolicy } from '#core/upstream-address.ts';
import { findGroup, type GroupRow } from '#store/groups.ts';
import type { Tx } from '#store/pool.ts';
import { invalid } from '../problem.ts';
import { isAllowedHost } from '../registry/base-url.ts';

/** What is wrong with an evaluator that its schema cannot see. @throws Problem `invalid` */
export async function checkEvaluator(
  tx: Tx,
  group: Pick<GroupRow, 'id' | 'organization_id'>,
  evaluator: Evaluator | null | undefined,
  policy: AddressPolicy,
): Promise<void> {
  if (evaluator == null) return;
  if (evaluator.kind === 'webhook') {
    const { username, password, hostname } = new URL(evaluator.url);
    const field = 'shadow.evaluator.url';
    if (username !== '' || password !== '')
      throw invalid([{ field, message: 'must hold no credentials; calls are signed' }]);
    if (isAllowedHost(hostname, policy)) return;
    const message = `points to the private address "${hostname}"; an operator can allow it in RINGSIDE_PRIVATE_UPSTREAMS`;
    throw invalid([{ field, message }]);
  }
  const field = 'shadow.evaluator.group';
  const judge = await findGroup(tx, group.organization_id, evaluator.group, 'share');
  if (judge === undefined) throw invalid([{ field, message: `there is no group "${evaluator.group}"` }]);
  if (judge.id === group.id) {
    throw invalid([
      { field, message: 'is the group itself, whose judgements would be mirrored and judged again; name another one' },
    ]);
  }
}
