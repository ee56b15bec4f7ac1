import type { CacheMark } from '../../chat/parts.ts';
import type { Extra } from '../../chat/request.ts';
import { bad, type Fields } from './fields.ts';

/** What is gathered while a request is read. */
export interface Reading {
  readonly extras: Extra[];
  /** Names of the tools that were called, by the call's id. */
  readonly toolNames: Map<string, string>;
}

/** The `cache_control` of a block, a tool or the request. */
export function readCacheMark(owner: Fields, { extras }: Reading): CacheMark | null {
  const control = owner.fields('cache_control');
  if (control === null) return null;
  if (control.text('type') !== 'ephemeral') throw bad(control.path('type'), 'must be "ephemeral"');
  const ttl = control.choice('ttl', ['5m', '1h']);
  control.leave(extras);
  return { ttl };
}
