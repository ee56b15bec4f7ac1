import { API_KEY_PREFIX, digestSecret, formatSecret, secretHint } from '#core/credentials.ts';
import { envelopeContext, type Keyring, open, seal } from '#core/envelope.ts';
import { insertAuditEntry } from '#store/audit.ts';
import { deleteKey, findKey, insertKey } from '#store/keys.ts';
import type { Tx } from '#store/pool.ts';
import { type EvaluatedGroup, lockEvaluator, updateEvaluator } from '#store/shadow-evaluations.ts';
import { EVALUATOR_KEY_PREFIX } from '#store/shadow-pairs.ts';
import { nextKeyVersion } from '#store/snapshots.ts';
import type { Entropy } from '../entropy.ts';
import { requireGroup } from '../groups/groups.ts';
import type { ChangeCall } from '../http/operation.ts';
import type { Change } from '../publish/change.ts';

export interface EvaluatorAccessDeps {
  readonly keyring: Keyring;
  readonly pepper: Uint8Array;
  readonly entropy: Entropy;
}

/** What secret scanners can search for, as those of rollouts. */
const SECRET_PREFIX = 'rsw_';
const ACTOR = 'shadow-evaluator';

/**
 * The API key that a group's judge is asked with: one of the organization, for the judging group alone. It is made when it is first
 * needed, and again when somebody has deleted it or another group judges; kept as an envelope only.
 */
export async function evaluatorKey(
  tx: Tx,
  deps: EvaluatorAccessDeps,
  of: EvaluatedGroup,
  judge: { readonly id: string; readonly name: string },
): Promise<string> {
  const { organizationId, groupId } = of;
  const { keyring, pepper, entropy } = deps;
  const row = await lockEvaluator(tx, of);
  const context = envelopeContext(organizationId, 'shadow_evaluators', groupId);
  const present = row.key_id === null ? undefined : await findKey(tx, organizationId, row.key_id, 'update');
  if (present !== undefined && row.key !== null && row.evaluator_group_id === judge.id) {
    return open(keyring, context, row.key);
  }
  const name = `${EVALUATOR_KEY_PREFIX}${groupId}`;
  const stale = present ?? (await findKey(tx, organizationId, name, 'update'));
  const version = await nextKeyVersion(tx);
  if (stale !== undefined) await deleteKey(tx, organizationId, stale.id, version);
  const key = formatSecret(API_KEY_PREFIX, entropy.bytes(32));
  const made = await insertKey(tx, {
    ...{ id: entropy.id(), organization_id: organizationId, name, group_ids: [judge.id], default_unit: null },
    ...{ digest: digestSecret(pepper, key), hint: secretHint(key), expires_at: null },
    key_version: stale === undefined ? version : await nextKeyVersion(tx),
  });
  await updateEvaluator(tx, of, {
    ...{ evaluator_group_id: judge.id, key_id: made.id, key: seal(keyring, context, key, entropy.bytes(12)) },
  });
  await insertAuditEntry(tx, {
    ...{ organizationId, actor: ACTOR, action: 'key.create', resource: `keys/${made.id}`, before: null },
    after: { id: made.id, name, groups: [judge.name] },
    ...{ configVersion: null, requestId: `evaluator:${groupId}` },
  });
  return key;
}

/** What calls to a group's webhook are signed with; null: none was made yet. */
export async function evaluatorSecret(
  tx: Tx,
  { keyring }: Pick<EvaluatorAccessDeps, 'keyring'>,
  of: EvaluatedGroup,
): Promise<string | null> {
  const { webhook_secret: envelope } = await lockEvaluator(tx, of);
  const context = envelopeContext(of.organizationId, 'shadow_evaluators.webhook', of.groupId);
  return envelope === null ? null : open(keyring, context, envelope);
}

/** Makes a new secret for the calls to a group's webhook; the one before signs nothing from then on. */
export async function makeEvaluatorSecret(
  tx: Tx,
  { organizationId, ref }: ChangeCall<unknown>,
  { keyring, entropy }: EvaluatorAccessDeps,
): Promise<Change> {
  const group = await requireGroup(tx, organizationId, ref);
  const of = { organizationId, groupId: group.id };
  await lockEvaluator(tx, of);
  const secret = SECRET_PREFIX + Buffer.from(entropy.bytes(32)).toString('base64url');
  const context = envelopeContext(organizationId, 'shadow_evaluators.webhook', group.id);
  await updateEvaluator(tx, of, { webhook_secret: seal(keyring, context, secret, entropy.bytes(12)) });
  return {
    ...{ status: 201, body: { group: group.name, secret }, version: null },
    audit: { action: 'group.evaluator_secret', resource: `groups/${group.id}`, before: null, after: {} },
    effect: { kind: 'snapshot' },
  };
}
