import { insertAuditEntry } from '#store/audit.ts';
import type { Awaited } from '#store/gateways.ts';
import { type Db, inOrganization, type Tx } from '#store/pool.ts';
import { publishSnapshot } from '#store/snapshots.ts';
import { actorOf, type Principal } from '../access/authenticate.ts';
import type { AnswerMemory } from './idempotency.ts';
import type { Served, ServedWaiter } from './served.ts';

/** What a change did, as the service that made it hands it over. */
export interface Change {
  readonly status: 200 | 201 | 204;
  /** Null with 204. */
  readonly body: object | null;
  /** The resource's version after the change, for its ETag; null when it is gone. */
  readonly version: number | null;
  /** Path of a new resource below `/api/v1`. */
  readonly location?: string;
  /** `before` and `after` never hold a secret. */
  readonly audit: {
    readonly action: string;
    readonly resource: string;
    readonly before: object | null;
    readonly after: object | null;
  };
  readonly effect: Effect;
}

/**
 * How gateways hear of a change: a new snapshot, published when the service is done (`afterPublish` then writes rows that
 * need its version), or key deltas, whose version the service has taken already.
 */
export type Effect =
  | { readonly kind: 'snapshot'; readonly afterPublish?: (configVersion: number) => Promise<void> }
  | { readonly kind: 'keys'; readonly version: number };

/** What the caller gets, now and again when the request is repeated under its `Idempotency-Key`. */
export interface ChangeAnswer {
  readonly status: Change['status'];
  readonly body: object | null;
  readonly version: number | null;
  readonly location: string | null;
  readonly awaited: Awaited;
}

interface ChangeRequest {
  readonly principal: Principal;
  readonly requestId: string;
  readonly idempotencyKey: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array;
}

export interface AppliedChange {
  readonly answer: ChangeAnswer;
  readonly replayed: boolean;
  readonly served: Served;
}

/** Applies changes: the only way in which the control API writes. */
export interface Changes {
  /**
   * Runs `work` in one transaction with its audit entry, the snapshot that follows from it and the answer under its
   * `Idempotency-Key`; after the commit waits, for a bounded time, until the live gateways serve it.
   */
  apply(request: ChangeRequest, work: (tx: Tx) => Promise<Change>): Promise<AppliedChange>;
}

interface ChangesDeps {
  readonly db: Db;
  readonly memory: AnswerMemory;
  readonly waiter: ServedWaiter;
}

export function createChanges({ db, memory, waiter }: ChangesDeps): Changes {
  return {
    async apply(request, work) {
      const { organizationId } = request.principal;
      const { idempotencyKey, method, path, body } = request;
      const repeatable =
        idempotencyKey === undefined ? undefined : { organizationId, idempotencyKey, method, path, body };
      const { answer, replayed } = await inOrganization(db, organizationId, async (tx) => {
        const recalled = repeatable && (await memory.recall(tx, repeatable));
        if (recalled !== undefined) return { answer: recalled, replayed: true };
        const made = await perform(tx, request, work);
        if (repeatable !== undefined) await memory.remember(tx, repeatable, made);
        return { answer: made, replayed: false };
      });
      return { answer, replayed, served: await waiter.wait(answer.awaited) };
    },
  };
}

async function perform(tx: Tx, request: ChangeRequest, work: (tx: Tx) => Promise<Change>): Promise<ChangeAnswer> {
  const { organizationId } = request.principal;
  const change = await work(tx);
  const awaited = await publish(tx, organizationId, change.effect);
  await insertAuditEntry(tx, {
    organizationId,
    actor: actorOf(request.principal),
    ...change.audit,
    configVersion: awaited.kind === 'snapshot' ? awaited.version : null,
    requestId: request.requestId,
  });
  const { status, body, version, location } = change;
  return { status, body, version, location: location ?? null, awaited };
}

async function publish(tx: Tx, organizationId: string, effect: Effect): Promise<Awaited> {
  switch (effect.kind) {
    case 'keys':
      return { kind: 'keys', version: effect.version };
    case 'snapshot': {
      const version = await publishSnapshot(tx, organizationId);
      await effect.afterPublish?.(version);
      return { kind: 'snapshot', version };
    }
    default:
      return effect satisfies never;
  }
}
