import type { Settings } from '../settings.ts';
import { ANALYZE_HELP, analyze } from './analyze.ts';
import { readSubcommand } from './read.ts';
import { SRM_HELP, srm } from './srm.ts';
import { runSubcommand, type Subcommand } from './subcommands.ts';

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  list: readSubcommand('experiment', 'list', {
    summary: 'experiments, newest first',
    path: () => '/experiments',
    options: ['group', 'state', 'limit', 'cursor'],
  }),
  show: readSubcommand('experiment', 'show', {
    ...{ summary: 'its definition, arms and phases', takes: 'experiment' },
    path: (ref) => `/experiments/${ref}`,
  }),
  analysis: readSubcommand('experiment', 'analysis', {
    ...{ summary: 'a look as of now, and the looks that were kept', takes: 'experiment' },
    path: (ref) => `/experiments/${ref}/analysis`,
    options: ['limit', 'cursor'],
  }),
  looks: readSubcommand('experiment', 'looks', {
    ...{ summary: 'the looks that were kept, newest first', takes: 'experiment' },
    path: (ref) => `/experiments/${ref}/looks`,
    options: ['limit', 'cursor'],
  }),
  breakdown: readSubcommand('experiment', 'breakdown', {
    ...{ summary: 'its metric by key, version or metadata.<field>', takes: 'experiment' },
    path: (ref) => `/experiments/${ref}/breakdown`,
    options: ['by', 'metric', 'top', 'since', 'until'],
  }),
  feedback: readSubcommand('experiment', 'feedback', {
    summary: 'what applications reported, and whether it found its inference, newest first',
    path: () => '/feedback',
    options: ['experiment', 'inference', 'metric', 'state', 'limit', 'cursor'],
  }),
  analyze: { summary: 'compare two arms from their sums', help: ANALYZE_HELP, run: analyze },
  srm: { summary: 'whether units were split as the weights say', help: SRM_HELP, run: srm },
};

const NOTICE = `analyze and srm need no settings and no database. The others ask the control API: the token is RINGSIDE_ADMIN_TOKEN and the
address RINGSIDE_CONTROL_URL, or both are those of credentials.json in RINGSIDE_DATA_DIR.`;

/** `ringside experiment …`: the evidence of experiments, and their statistics on anybody's numbers. */
export function experiment(args: readonly string[], settings: () => Settings): Promise<void> {
  return runSubcommand('experiment', SUBCOMMANDS, NOTICE, args, settings);
}
