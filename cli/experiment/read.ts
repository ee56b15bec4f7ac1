import { parseArgs } from 'node:util';
import { createControlApi } from '../control-api.ts';
import { findControlAccess } from '../export/access.ts';
import { InputError } from './input.ts';
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
  const known = Object.fromEntries(options.map((option) => [option, { type: 'string' as const }]));
  const argument = takes === undefined ? '' : ` <${takes}>`;
  const flags = options.map((option) => ` [--${option} …]`).join('');
  return {
    summary,
    help: `usage: ringside ${command} ${name}${argument}${flags}\n\nPrints what GET /api/v1${path(takes === undefined ? '' : `{${takes}}`)} answers: ${summary}.`,
    async run(args, settings) {
      const { values, positionals } = parseArgs({ args: [...args], options: known, allowPositionals: true });
      const [ref, stray] = takes === undefined ? ['', positionals[0]] : positionals;
      if (ref === undefined) throw new InputError(`of which ${takes}? Name it, or give its id`);
      if (stray !== undefined) throw new InputError(`takes no argument "${stray}"`);
      const api = createControlApi(await findControlAccess(settings()));
      return api.get<object>(path(encodeURIComponent(ref)), values);
    },
  };
}
