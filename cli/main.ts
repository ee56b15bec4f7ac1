import { readFileSync } from 'node:fs';
import { fail, print } from './output.ts';
import { parseSettings, type Settings } from './settings.ts';
import { isUsageError } from './usage-error.ts';

const release = (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string })
  .version;

interface Described {
  readonly summary: string;
  /** The one optional argument. */
  readonly parameter?: string;
  /** It reads its arguments itself: sub-commands and flags. */
  readonly parsesArguments?: true;
  /** It answers `--help` itself. */
  readonly hasHelp?: true;
}

interface ServiceCommand extends Described {
  run(settings: Settings, release: string, args: readonly string[]): Promise<void>;
}

/** Computes from its arguments alone, or does in most of what it can: so it asks for the settings, which may be wrong, when it needs them. */
interface PureCommand extends Described {
  compute(args: readonly string[], settings: () => Settings): Promise<void>;
}

type Command = ServiceCommand | PureCommand;

/** Each command loads only what it needs: `--help` is instant. */
const COMMANDS: Readonly<Record<string, Command>> = {
  up: {
    summary: 'run everything on this machine: PostgreSQL, simulator, gateway, control plane',
    run: async (settings, version) => (await import('./up/up.ts')).up(settings, version),
  },
  gateway: {
    summary: 'run the data plane (needs DATABASE_URL)',
    parameter: 'inherit',
    run: async (settings, version, [inherit]) => (await import('./commands.ts')).gateway(settings, version, inherit),
  },
  'gateway-keeper': {
    summary: 'run the data plane below a process that keeps its addresses: SIGUSR2 replaces it without a gap',
    run: async (settings) => (await import('./keeper.ts')).keepGateway(settings),
  },
  'control-plane': {
    summary: 'run the control API (needs DATABASE_URL)',
    run: async (settings) => (await import('./commands.ts')).controlPlane(settings),
  },
  'admin-token': {
    summary: 'print a new owner token of an organization (default: "default"), made if missing',
    parameter: 'organization',
    run: async (settings, _version, [organization]) =>
      (await import('./commands.ts')).adminToken(settings, organization),
  },
  archive: {
    summary: 'list, verify and restore archives of the log: ringside archive list|verify|restore',
    parsesArguments: true,
    run: async (settings, _version, args) => (await import('./archive.ts')).archive(settings, args),
  },
  migrate: {
    summary: 'bring the schema of DATABASE_URL (and RINGSIDE_CLICKHOUSE_URL) up to date',
    run: async (settings) => (await import('./commands.ts')).migrateDatabase(settings),
  },
  'verify-log': {
    summary: 'recompute the ledger from spools and tables; 1 when there is a gap [--group g] [--json] [--ids n]',
    parsesArguments: true,
    run: async (settings, _version, args) => (await import('./verify-log.ts')).verifyLogCommand(settings, args),
  },
  export: {
    summary: 'write inferences from the log into a file; see ringside export --help',
    parsesArguments: true,
    hasHelp: true,
    run: async (settings, _version, args) => (await import('./export/export.ts')).exportLog(settings, args),
  },
  experiment: {
    summary: 'evidence of experiments, and their statistics on your own numbers; see ringside experiment --help',
    parsesArguments: true,
    hasHelp: true,
    compute: async (args, settings) => (await import('./experiment/experiment.ts')).experiment(args, settings),
  },
  group: {
    summary: "a group's comparison, mirrored calls, assignments and the truth of its split; see ringside group --help",
    parsesArguments: true,
    hasHelp: true,
    compute: async (args, settings) => (await import('./experiment/group.ts')).group(args, settings),
  },
  rollout: {
    summary: 'create, list, steer and watch rollouts; see ringside rollout --help',
    parsesArguments: true,
    hasHelp: true,
    run: async (settings, _version, args) => (await import('./rollout/rollout.ts')).rolloutCommand(settings, args),
  },
  plan: {
    summary: 'plan an experiment from the traffic of a group; see ringside plan --help',
    parsesArguments: true,
    hasHelp: true,
    run: async (settings, _version, args) => (await import('./plan.ts')).planCommand(settings, args),
  },
  replay: {
    summary: 'what other weights would have done to cost, errors and latency; see ringside replay --help',
    parsesArguments: true,
    hasHelp: true,
    run: async (settings, _version, args) => {
      const { systemClock } = await import('#control-plane/clock.ts');
      return (await import('./replay.ts')).replayCommand(settings, args, systemClock.nowMs());
    },
  },
  simulate: {
    summary: 'run the provider simulator',
    run: async (settings) => (await import('./commands.ts')).simulate(settings),
  },
};

const HELP = `ringside ${release}: an inference gateway with champion/challenger splits and a durable log

usage: ringside <command>

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(15)}${summary}`)
  .join('\n')}

  --help, -h     this text
  --version, -v  the release

Ends with 0 when it did what was asked, with 2 when it was called wrongly (the line on the standard error names the argument), and with 1
when it was refused or failed; also where a check has found something (verify-log, archive verify) or a rollout that is watched was not
promoted.

Settings come from the environment: DATABASE_URL and RINGSIDE_… variables. Without DATABASE_URL, archive, verify-log and export
work on the \`ringside up\` that runs in RINGSIDE_DATA_DIR.
Addresses (host:port or a port): RINGSIDE_GATEWAY_LISTEN (127.0.0.1:8080), RINGSIDE_CONTROL_LISTEN (…:8081),
RINGSIDE_SIMULATOR_LISTEN (…:8082), RINGSIDE_METRICS_LISTEN (…:9464). Data: RINGSIDE_DATA_DIR (.ringside).
All of them, with defaults: docs/production.md. Providers are added through the control API, a line for each kind there.`;

// Who reads has seen enough (`| head`): that is no failure of the command.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

const [name, ...rest] = process.argv.slice(2);
const known = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
const wantsHelp = [name, ...rest].some((arg) => arg === '--help' || arg === '-h');
if (name === undefined || name === 'help' || (wantsHelp && known?.hasHelp !== true)) {
  print(HELP);
  if (name === undefined) process.exitCode = 2;
} else if (name === '--version' || name === '-v') print(release);
else {
  const command = known;
  if (command === undefined) fail(`unknown command "${name}"; see ringside --help`, 2);
  const allowed = command.parameter === undefined ? 0 : 1;
  if (command.parsesArguments === undefined && rest.length > allowed) {
    fail(`${name} takes no argument "${rest[allowed]}"; settings come from the environment`, 2);
  }
  try {
    if ('compute' in command) await command.compute(rest, () => parseSettings(process.env));
    else await command.run(parseSettings(process.env), release, rest);
  } catch (error) {
    const { explainStartFailure } = await import('./start-failure.ts');
    fail(explainStartFailure(error), isUsageError(error) ? 2 : 1);
  }
}
