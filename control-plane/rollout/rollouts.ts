import { z } from '@hono/zod-openapi';
import type { Keyring } from '#core/envelope.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import type { AddressPolicy } from '#core/upstream-address.ts';
import { insertAuditEntry } from '#store/audit.ts';
import { findGroup, type GroupRow } from '#store/groups.ts';
import type { RolloutPast } from '#store/log-rows.ts';
import type { RowLock } from '#store/named-rows.ts';
import type { Tx } from '#store/pool.ts';
import { deleteDraft } from '#store/rollout-facts.ts';
import { listWebhooks } from '#store/rollout-webhooks.ts';
import {
  findRollout,
  insertRollout,
  listRollouts,
  listTransitions,
  type RolloutRow,
  updateRollout,
} from '#store/rollouts.ts';
import type { Clock } from '../clock.ts';
import type { Entropy } from '../entropy.ts';
import { requireGroup } from '../groups/groups.ts';
import type { ChangeCall, ReadCall } from '../http/operation.ts';
import { requireMatch } from '../http/preconditions.ts';
import { decodeCursor, type Page, toPage } from '../paging.ts';
import { notFound, Problem, refuseIssues } from '../problem.ts';
import type { Change } from '../publish/change.ts';
import type { ListQuery } from '../publish/outcome.ts';
import { orderRollout } from './orders.ts';
import { resolveArms } from './rollout-arms.ts';
import type {
  CreateRollout,
  DeliveryView,
  RolloutQuery,
  RolloutView,
  TransitionView,
  UpdateRollout,
} from './rollout-schemas.ts';
import { deliveryView, rolloutView, rolloutViews, transitionView } from './rollout-views.ts';
import { makeWebhookSecret } from './webhook-secret.ts';

export interface RolloutsDeps {
  readonly keyring: Keyring;
  readonly entropy: Entropy;
  readonly clock: Clock;
  /** Which private addresses webhooks may have. */
  readonly policy: AddressPolicy;
  /** What a start asks the log. */
  readonly past: RolloutPast;
}

/** The rollouts of an organization, as drafts and as lists; orders are in orders.ts. Every function works in the caller's transaction. */
export function createRollouts(deps: RolloutsDeps) {
  const { clock, entropy, policy } = deps;
  const secretFor = (organizationId: string, id: string, wanted: boolean) =>
    wanted ? makeWebhookSecret(deps, organizationId, id) : undefined;

  return {
    async list(tx: Tx, { organizationId, query }: ReadCall<RolloutQuery>): Promise<Page<RolloutView>> {
      const { group, state, cursor, limit } = query;
      const groupId = group === undefined ? undefined : (await requireGroup(tx, organizationId, group)).id;
      const beforeId = decodeCursor(cursor, z.uuid());
      const rows = await listRollouts(tx, organizationId, { groupId, state, beforeId, limit: limit + 1 });
      const views = await rolloutViews(tx, organizationId, rows, clock.nowMs());
      return toPage(
        views,
        limit,
        (view) => view,
        ({ id }) => id,
      );
    },

    async get(tx: Tx, { organizationId, ref }: ReadCall<object>): Promise<RolloutView> {
      return rolloutView(tx, await requireRollout(tx, organizationId, ref), clock.nowMs());
    },

    async transitions(tx: Tx, { organizationId, ref, query }: ReadCall<ListQuery>): Promise<Page<TransitionView>> {
      const { id } = await requireRollout(tx, organizationId, ref);
      const beforeId = decodeCursor(query.cursor, z.int().min(1));
      const rows = await listTransitions(tx, organizationId, id, { beforeId, limit: query.limit + 1 });
      return toPage(rows, query.limit, transitionView, (row) => row.id);
    },

    async webhooks(tx: Tx, { organizationId, ref, query }: ReadCall<ListQuery>): Promise<Page<DeliveryView>> {
      const { id } = await requireRollout(tx, organizationId, ref);
      const beforeId = decodeCursor(query.cursor, z.uuid());
      const rows = await listWebhooks(tx, organizationId, id, { beforeId, limit: query.limit + 1 });
      return toPage(rows, query.limit, deliveryView, (row) => row.id);
    },

    async create(tx: Tx, call: ChangeCall<CreateRollout>): Promise<Change> {
      const { organizationId, body, actor, requestId } = call;
      const group = await groupOf(tx, organizationId, body.group);
      const arms = await resolveArms(tx, group, body, policy);
      const id = entropy.id();
      const sealed = secretFor(organizationId, id, body.plan.webhooks.length > 0);
      const row = await insertRollout(tx, {
        ...{ id, organization_id: organizationId, group_id: group.id, name: body.name, state: 'draft' as const },
        definition: JSON.stringify(body.experiment),
        plan: JSON.stringify(body.plan),
        arms: JSON.stringify(arms),
        secrets: sealed?.envelope ?? null,
      });
      const draft = await rolloutView(tx, row, clock.nowMs());
      const audit = { action: 'rollout.create', resource: `rollouts/${id}`, before: null, after: draft };
      const answer = { status: 201, location: `/rollouts/${id}` } as const;
      const secret = sealed === undefined ? {} : { webhookSecret: sealed.secret };
      if (!body.start) {
        return { ...answer, body: { ...draft, ...secret }, version: row.version, audit, effect: { kind: 'snapshot' } };
      }
      // Two entries, since two things happen; that of the start is written with the answer.
      await insertAuditEntry(tx, { organizationId, actor, ...audit, configVersion: null, requestId });
      const started = await orderRollout(deps, tx, row, { kind: 'start', reason: body.reason }, actor, NOT_CREATED);
      return { ...started, ...answer, body: { ...started.body, ...secret } };
    },

    async update(tx: Tx, { organizationId, ref, body, ifMatch }: ChangeCall<UpdateRollout>): Promise<Change> {
      const row = await requireRollout(tx, organizationId, ref, 'update');
      requireMatch(ifMatch, row.version);
      requireDraft(row, 'changed');
      const group = await groupOf(tx, organizationId, row.group_id);
      const wanted = wantedOf(row, body);
      const arms = await resolveArms(tx, group, wanted, policy);
      const needsSecret = row.secrets === null && wanted.plan.webhooks.length > 0;
      const sealed = secretFor(organizationId, row.id, needsSecret);
      const before = await rolloutView(tx, row, clock.nowMs());
      const after = await updateRollout(tx, row, {
        ...(body.name === undefined ? {} : { name: body.name }),
        definition: JSON.stringify(wanted.experiment),
        plan: JSON.stringify(wanted.plan),
        arms: JSON.stringify(arms),
        ...(sealed === undefined ? {} : { secrets: sealed.envelope }),
      });
      const view = await rolloutView(tx, after, clock.nowMs());
      return {
        status: 200,
        body: sealed === undefined ? view : { ...view, webhookSecret: sealed.secret },
        version: after.version,
        audit: { action: 'rollout.update', resource: `rollouts/${row.id}`, before, after: view },
        effect: { kind: 'snapshot' },
      };
    },

    async remove(tx: Tx, { organizationId, ref, ifMatch }: ChangeCall<unknown>): Promise<Change> {
      const row = await requireRollout(tx, organizationId, ref, 'update');
      requireMatch(ifMatch, row.version);
      requireDraft(row, 'deleted');
      const story = await listTransitions(tx, organizationId, row.id, { limit: 1 });
      if (story.length > 0) {
        throw new Problem(
          'conflict',
          `The rollout "${row.name}" has a story already, which is kept; abort it instead.`,
        );
      }
      const before = await rolloutView(tx, row, clock.nowMs());
      if (!(await deleteDraft(tx, organizationId, row.id))) throw notFound('rollout', ref);
      return {
        status: 204,
        body: null,
        version: null,
        audit: { action: 'rollout.delete', resource: `rollouts/${row.id}`, before, after: null },
        effect: { kind: 'snapshot' },
      };
    },
  };
}

const NOT_CREATED = 'Nothing was created; without `start` it is a draft, which can be started later.';

/** The rollout with this id, or the newest of this name. @throws Problem `not_found` */
export async function requireRollout(tx: Tx, organizationId: string, ref: string, lock?: RowLock): Promise<RolloutRow> {
  const row = await findRollout(tx, organizationId, ref, lock);
  if (row === undefined) throw notFound('rollout', ref);
  return row;
}

function requireDraft(row: RolloutRow, what: 'changed' | 'deleted'): void {
  if (row.state !== 'draft') {
    throw new Problem(
      'conflict',
      `Only drafts can be ${what}; the rollout "${row.name}" is ${row.state.replaceAll('_', ' ')}.`,
    );
  }
  if (rolloutMemorySchema.parse(row.memory).requestedAtMs !== undefined) {
    throw new Problem(
      'conflict',
      `The start of the rollout "${row.name}" has been asked for, as it is; abort it instead.`,
    );
  }
}

async function groupOf(tx: Tx, organizationId: string, ref: string): Promise<GroupRow> {
  const group = await findGroup(tx, organizationId, ref);
  if (group === undefined) refuseIssues([{ field: 'group', message: `there is no group "${ref}"` }]);
  return group!;
}

/** What is not given stays. Models are kept by id: they may have got another name. */
function wantedOf(row: RolloutRow, { challengers, experiment, plan }: UpdateRollout) {
  return {
    challengers: challengers ?? row.arms.slice(1).map(({ modelId }) => modelId),
    experiment: experiment ?? row.definition,
    plan: plan ?? row.plan,
  };
}
