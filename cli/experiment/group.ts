import type { Settings } from '../settings.ts';
import { readSubcommand } from './read.ts';
import { runSubcommand, type Subcommand } from './subcommands.ts';

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  comparison: readSubcommand('group', 'comparison', {
    ...{ summary: 'its champion against each challenger, as of now', takes: 'group' },
    path: (ref) => `/groups/${ref}/comparison`,
    options: ['since'],
  }),
  split: readSubcommand('group', 'split', {
    ...{ summary: 'configured, assigned and served shares by time, and why they differ', takes: 'group' },
    path: (ref) => `/groups/${ref}/split`,
    options: ['since', 'until', 'step'],
  }),
  assignment: readSubcommand('group', 'assignment', {
    ...{ summary: 'where a unit falls, and why: --unit user-42', takes: 'group' },
    path: (ref) => `/groups/${ref}/assignment`,
    options: ['unit'],
  }),
  shadows: readSubcommand('group', 'shadows', {
    ...{ summary: 'its mirrored calls against the inferences that they mirror', takes: 'group' },
    path: (ref) => `/groups/${ref}/shadows`,
    options: ['since', 'experiment', 'alpha', 'plannedUnits'],
  }),
};

const NOTICE = `The token is RINGSIDE_ADMIN_TOKEN and the address RINGSIDE_CONTROL_URL, or both are those of credentials.json in
RINGSIDE_DATA_DIR.`;

/** `ringside group …`: what a group's split does. */
export function group(args: readonly string[], settings: () => Settings): Promise<void> {
  return runSubcommand('group', SUBCOMMANDS, NOTICE, args, settings);
}
