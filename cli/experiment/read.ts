import { parseArgs } from 'node:util';
import { systemClock } from '#control-plane/clock.ts';
import { createControlApi } from '../control-api.ts';
import { findControlAccess } from '../export/access.ts';
import { parseDuration } from '../rollout/quantities.ts';
import { UsageError } from '../usage-error.ts';
import type { Subcommand } from './subcommands.ts';

/** A sub-command that prints what the control API answers. */
interface Read {
  readonly summary: string;
  /** What its argument names; missing: it has none. */
  readonly takes?: 'experiment' | 'group';
  /** @param ref the argument, encoded */
  readonly path: (ref: string) => string;
  /** Query parameters, as options of the same names. */
  readonly options?: readonly string[];
}

export function readSubcommand(command: string, name: string, read: Read): Subcommand {
  const { summary, takes, path, options = [] } = read;
  const texts = Object.fromEntries(options.map((option) => [option, { type: 'string' as const }]));
  // Answers are JSON in any case: whoever asks for it as of other commands gets it.
  const known = { ...texts, json: { type: 'boolean' as const } };
  const argument = takes === undefined ? '' : ` <${takes}>`;
  const flags = options.map((option) => ` [--${option} ${isMoment(option) ? '24h|<time>' : '…'}]`).join('');
  return {
    summary,
    help: `usage: ringside ${command} ${name}${argument}${flags}\n\nPrints what GET /api/v1${path(takes === undefined ? '' : `{${takes}}`)} answers: ${summary}.`,
    async run(args, settings) {
      const { values, positionals } = parseArgs({ args: [...args], options: known, allowPositionals: true });
      const { json: _, ...query } = values as Record<string, string | boolean | undefined>;
      const [ref, stray] = takes === undefined ? ['', positionals[0]] : positionals;
      if (ref === undefined) throw new UsageError(`of which ${takes}? Name it, or give its id`);
      if (stray !== undefined) throw new UsageError(`takes no argument "${stray}"`);
      const api = createControlApi(await findControlAccess(settings()));
      return api.get<object>(path(encodeURIComponent(ref)), momentsOf(query as Record<string, string | undefined>));
    },
  };
}

function isMoment(option: string): boolean {
  return option === 'since' || option === 'until';
}

/** A duration (`24h`) is so long before now, as for `ringside replay`. */
function momentsOf(query: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  const nowMs = systemClock.nowMs();
  return Object.fromEntries(
    Object.entries(query).map(([name, text]) => {
      const agoMs = isMoment(name) && text !== undefined ? parseDuration(text) : undefined;
      return [name, agoMs === undefined ? text : new Date(nowMs - agoMs).toISOString()];
    }),
  );
}
