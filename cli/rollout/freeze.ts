import type { ParseArgsOptionsConfig } from 'node:util';
import type { ControlApi } from '../control-api.ts';
import { UsageError } from '../usage-error.ts';
import { durationFlag, type Flags, optional } from './strategy-flags.ts';
import { table } from './view.ts';

export interface FreezeWindow {
  readonly id: string;
  readonly group: string | null;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly reason: string;
  readonly active: boolean;
}

export const FREEZE_OPTIONS: ParseArgsOptionsConfig = {
  ...{ group: { type: 'string' }, from: { type: 'string' }, until: { type: 'string' } },
  ...{ for: { type: 'string' }, reason: { type: 'string' } },
};

/** Makes the window that the flags describe. @throws UsageError */
export function freeze(api: ControlApi, flags: Flags, nowMs: number): Promise<FreezeWindow> {
  const { from, until, reason } = flags;
  const lengthMs = durationFlag(flags, 'for');
  if ((until === undefined) === (lengthMs === undefined))
    throw new UsageError('freeze takes --until <time> or --for 2d');
  if (reason === undefined) throw new UsageError('--reason is missing');
  const startMs = typeof from === 'string' ? timeOf('from', from) : nowMs;
  const endMs = typeof until === 'string' ? timeOf('until', until) : startMs + lengthMs!;
  return api.post('/freeze-windows', {
    ...optional('group', flags['group']),
    ...(from === undefined ? {} : { startsAt: new Date(startMs).toISOString() }),
    ...{ endsAt: new Date(endMs).toISOString(), reason },
  });
}

function timeOf(flag: string, text: string): number {
  const unixMs = Date.parse(text);
  if (Number.isNaN(unixMs)) throw new UsageError(`--${flag}: "${text}" is no time; write 2030-12-20T00:00:00Z`);
  return unixMs;
}

/** A line for each window, below a heading. */
export function freezeLines(windows: readonly FreezeWindow[]): string[] {
  if (windows.length === 0) return ['no freeze windows'];
  const rows = windows.map(({ id, group, startsAt, endsAt, reason, active }) => [
    ...[id, group ?? 'all groups', startsAt, endsAt, active ? 'now' : '', reason],
  ]);
  return table([['id', 'group', 'from', 'until', '', 'reason'], ...rows]);
}
