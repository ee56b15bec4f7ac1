import type { z } from '@hono/zod-openapi';
import type { pageQuerySchema } from '../paging.ts';
import type { Change, Effect } from './change.ts';

export type ListQuery = z.output<typeof pageQuerySchema>;

/** A resource as answers show it. */
interface View {
  readonly id: string;
  readonly name: string;
  readonly version: number;
}

type Kind = 'provider' | 'model' | 'group' | 'key';

const SNAPSHOT: Effect = { kind: 'snapshot' };

/** The outcome of a creation. `secret` goes into the answer and not into the audit log. */
export function created(kind: Kind, view: View, effect: Effect = SNAPSHOT, secret: object = {}): Change {
  return {
    status: 201,
    body: { ...view, ...secret },
    version: view.version,
    location: `/${kind}s/${kind === 'key' ? view.id : view.name}`,
    audit: { action: `${kind}.create`, resource: resourceOf(kind, view), before: null, after: view },
    effect,
  };
}

/** The outcome of an update. `remarks` go into the audit log beside the resource after the change. */
export function updated(
  kind: Kind,
  before: View,
  after: View,
  remarks: object = {},
  effect: Effect = SNAPSHOT,
  action = `${kind}.update`,
): Change {
  return {
    status: 200,
    body: after,
    version: after.version,
    audit: { action, resource: resourceOf(kind, after), before, after: { ...after, ...remarks } },
    effect,
  };
}

/** The outcome of a deletion. */
export function deleted(kind: Kind, before: View, effect: Effect = SNAPSHOT): Change {
  return {
    status: 204,
    body: null,
    version: null,
    audit: { action: `${kind}.delete`, resource: resourceOf(kind, before), before, after: null },
    effect,
  };
}

function resourceOf(kind: Kind, view: View): string {
  return `${kind}s/${view.id}`;
}
