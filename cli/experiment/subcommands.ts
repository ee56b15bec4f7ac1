import { print } from '../output.ts';
import type { Settings } from '../settings.ts';
import { isUsageError, UsageError } from '../usage-error.ts';
import { oneLine } from './input.ts';

export interface Subcommand {
  readonly summary: string;
  readonly help: string;
  /** What is printed, as JSON. @throws UsageError */
  run(args: readonly string[], settings: () => Settings): Promise<object>;
}

/** Runs one of a command's sub-commands and prints what it gives. @throws UsageError */
export async function runSubcommand(
  command: string,
  subcommands: Readonly<Record<string, Subcommand>>,
  notice: string,
  args: readonly string[],
  settings: () => Settings,
): Promise<void> {
  const [name, ...rest] = args;
  const known = name !== undefined && Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
  if (args.includes('--help') || args.includes('-h')) return print(known?.help ?? helpOf(command, subcommands, notice));
  if (known === undefined) {
    const problem = name === undefined ? 'a command is missing' : `unknown command "${name}"`;
    throw new UsageError(`${command}: ${problem}; see ringside ${command} --help`);
  }
  try {
    print(JSON.stringify(await known.run(rest, settings), null, 2));
  } catch (error) {
    if (!isUsageError(error)) throw error;
    throw new UsageError(`${command} ${name}: ${oneLine(error.message)}`);
  }
}

function helpOf(command: string, subcommands: Readonly<Record<string, Subcommand>>, notice: string): string {
  const lines = Object.entries(subcommands).map(([name, { summary }]) => `  ${name.padEnd(15)}${summary}`);
  return `usage: ringside ${command} <command>

${lines.join('\n')}

ringside ${command} <command> --help tells more. ${notice}`;
}
