import { fail, print } from '../output.ts';
import { ANALYZE_HELP, analyze } from './analyze.ts';
import { InputError } from './input.ts';
import { SRM_HELP, srm } from './srm.ts';

interface Subcommand {
  readonly summary: string;
  readonly help: string;
  /** What is printed, as JSON. @throws InputError */
  run(args: readonly string[]): Promise<object>;
}

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  analyze: { summary: 'compare two arms from their sums', help: ANALYZE_HELP, run: analyze },
  srm: { summary: 'whether units were split as the weights say', help: SRM_HELP, run: srm },
};

const HELP = `usage: ringside experiment <command>

${Object.entries(SUBCOMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(15)}${summary}`)
  .join('\n')}

ringside experiment <command> --help tells more. No settings and no database are needed.`;

/** `ringside experiment …`: the statistics of experiments on anybody's numbers. */
export async function experiment(args: readonly string[]): Promise<void> {
  const [name, ...rest] = args;
  const known = name !== undefined && Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (args.includes('--help') || args.includes('-h')) return print(known?.help ?? HELP);
  if (known === undefined) {
    const problem = name === undefined ? 'a command is missing' : `unknown command "${name}"`;
    fail(`experiment: ${problem}; see ringside experiment --help`, 2);
  }
  try {
    print(JSON.stringify(await known.run(rest), null, 2));
  } catch (error) {
    if (!isWrongInput(error)) throw error;
    fail(`experiment ${name}: ${error.message}`, 2);
  }
}

/** Also of what `parseArgs` says of arguments. */
function isWrongInput(error: unknown): error is Error {
  if (error instanceof InputError) return true;
  return error instanceof TypeError && String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS');
}
