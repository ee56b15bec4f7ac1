import {
  type Capture,
  captureSchema,
  DEFAULT_CAPTURE,
  DEFAULT_LOG_POLICY,
  logPolicySchema,
} from '#core/snapshot/log-policy.ts';
import { DEFAULT_SHADOW_POLICY, shadowPolicySchema } from '#core/snapshot/shadow-policy.ts';
import { DEFAULT_TRAFFIC_POLICY, trafficPolicySchema } from '#core/snapshot/traffic-policy.ts';
import type { AddressPolicy } from '#core/upstream-address.ts';
import {
  deleteGroup,
  findGroup,
  type GroupRow,
  insertGroup,
  listGroups,
  updateGroup,
  type VariantRow,
  variantsOf,
} from '#store/groups.ts';
import type { RowLock } from '#store/named-rows.ts';
import type { Tx } from '#store/pool.ts';
import type { Clock } from '../clock.ts';
import type { Entropy } from '../entropy.ts';
import type { ChangeCall, ReadCall } from '../http/operation.ts';
import { requireMatch } from '../http/preconditions.ts';
import { decodeNameCursor, type Page, toPage } from '../paging.ts';
import { notFound } from '../problem.ts';
import type { Change } from '../publish/change.ts';
import { created, deleted, type ListQuery, updated } from '../publish/outcome.ts';
import { beginPhases, changedIn, holdComparisons } from '../rollout/new-phase.ts';
import { checkEvaluator } from '../shadow/check-evaluator.ts';
import type { CreateGroup, GroupView, UpdateGroup } from './group-schemas.ts';
import { refuseWhileRollout } from './running-rollout.ts';

const SALT_BYTES = 16;

export interface GroupsDeps {
  readonly entropy: Entropy;
  readonly clock: Clock;
  readonly policy: AddressPolicy;
}

/** The model groups of an organization; their splits are in split.ts. Every function works in the caller's transaction. */
export function createGroups({ entropy, clock, policy }: GroupsDeps) {
  return {
    async list(tx: Tx, { organizationId, query }: ReadCall<ListQuery>): Promise<Page<GroupView>> {
      const after = decodeNameCursor(query.cursor);
      const rows = await listGroups(tx, organizationId, { after, limit: query.limit + 1 });
      const ids = rows.map((row) => row.id);
      const variants = await variantsOf(tx, organizationId, ids);
      return toPage(
        rows,
        query.limit,
        (row) => groupView(row, variants.get(row.id) ?? []),
        (row) => row.name,
      );
    },

    async get(tx: Tx, { organizationId, ref }: ReadCall<object>): Promise<GroupView> {
      const row = await requireGroup(tx, organizationId, ref);
      return groupView(row, await variantsOfOne(tx, row));
    },

    async create(tx: Tx, { organizationId, body }: ChangeCall<CreateGroup>): Promise<Change> {
      const row = await insertGroup(tx, {
        id: entropy.id(),
        organization_id: organizationId,
        name: body.name,
        description: body.description ?? '',
        salt: Buffer.from(entropy.bytes(SALT_BYTES)).toString('hex'),
        capture: JSON.stringify(mergeCapture(DEFAULT_CAPTURE, body.capture)),
        log: JSON.stringify({ ...DEFAULT_LOG_POLICY, ...body.log }),
        traffic: JSON.stringify({ ...DEFAULT_TRAFFIC_POLICY, ...body.traffic }),
        shadow: JSON.stringify({ ...DEFAULT_SHADOW_POLICY, ...body.shadow }),
      });
      await checkEvaluator(tx, row, body.shadow?.evaluator, policy);
      return created('group', groupView(row, []));
    },

    async update(tx: Tx, { organizationId, ref, body, ifMatch, actor }: ChangeCall<UpdateGroup>): Promise<Change> {
      const { id } = await requireGroup(tx, organizationId, ref);
      const held = body.traffic === undefined ? [] : await holdComparisons(tx, organizationId, { kind: 'group', id });
      const row = await requireGroup(tx, organizationId, id, 'update');
      requireMatch(ifMatch, row.version);
      const variants = await variantsOfOne(tx, row);
      await checkEvaluator(tx, row, body.shadow?.evaluator, policy);
      const after = await updateGroup(tx, organizationId, row.id, {
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(body.description === undefined ? {} : { description: body.description }),
        ...(body.capture === undefined
          ? {}
          : { capture: JSON.stringify(mergeCapture(captureSchema.parse(row.capture), body.capture)) }),
        ...(body.log === undefined ? {} : { log: JSON.stringify({ ...logPolicySchema.parse(row.log), ...body.log }) }),
        ...(body.traffic === undefined
          ? {}
          : { traffic: JSON.stringify({ ...trafficPolicySchema.parse(row.traffic), ...body.traffic }) }),
        ...(body.shadow === undefined
          ? {}
          : { shadow: JSON.stringify({ ...shadowPolicySchema.parse(row.shadow), ...body.shadow }) }),
      });
      const effect = await beginPhases(tx, held, {
        ...{ what: `the traffic policy of the group "${after.name}"`, actor, nowMs: clock.nowMs() },
        changed: changedIn(conditionsOf(row), conditionsOf(after)),
      });
      return updated('group', groupView(row, variants), groupView(after, variants), {}, effect);
    },

    async remove(tx: Tx, { organizationId, ref, ifMatch }: ChangeCall<unknown>): Promise<Change> {
      const row = await requireGroup(tx, organizationId, ref, 'update');
      requireMatch(ifMatch, row.version);
      await refuseWhileRollout(tx, row);
      await deleteGroup(tx, organizationId, row.id);
      return deleted('group', groupView(row, await variantsOfOne(tx, row)));
    },
  };
}

/** What its traffic policy makes of answers. */
function conditionsOf({ traffic }: GroupRow) {
  const { lenient } = trafficPolicySchema.parse(traffic);
  return { lenient };
}

/** The live group with this name or id. @throws Problem `not_found` */
export async function requireGroup(tx: Tx, organizationId: string, ref: string, lock?: RowLock): Promise<GroupRow> {
  const row = await findGroup(tx, organizationId, ref, lock);
  if (row === undefined) throw notFound('group', ref);
  return row;
}

/** The variants of one group, in order. */
export async function variantsOfOne(tx: Tx, row: GroupRow): Promise<VariantRow[]> {
  return (await variantsOf(tx, row.organization_id, [row.id])).get(row.id) ?? [];
}

/** What is not given keeps its value, also within `redaction`. */
function mergeCapture(present: Capture, changes: CreateGroup['capture'] = {}): Capture {
  return captureSchema.parse({ ...present, ...changes, redaction: { ...present.redaction, ...changes.redaction } });
}

/** A group as answers show it: never its salt. */
export function groupView(row: GroupRow, variants: readonly VariantRow[]): GroupView {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    capture: captureSchema.parse(row.capture),
    log: logPolicySchema.parse(row.log),
    traffic: trafficPolicySchema.parse(row.traffic),
    shadow: shadowPolicySchema.parse(row.shadow),
    variants: variants.map(({ model, role, weight_bp }) => ({ model, role, weightBp: weight_bp })),
    phase: row.phase,
    hashVersion: row.hash_version,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
