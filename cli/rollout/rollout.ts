import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { systemClock } from '#control-plane/clock.ts';
import { type ControlApi, createControlApi } from '../control-api.ts';
import { findControlAccess } from '../export/access.ts';
import { print } from '../output.ts';
import type { Settings } from '../settings.ts';
import { UsageError } from '../usage-error.ts';
import { CREATE_HELP, CREATE_OPTIONS, createBody } from './create-flags.ts';
import { FREEZE_OPTIONS, type FreezeWindow, freeze, freezeLines } from './freeze.ts';
import type { Flags } from './strategy-flags.ts';
import {
  type Delivery,
  deliveryLines,
  listLines,
  type Rollout,
  showLines,
  type Transition,
  transitionLines,
} from './view.ts';
import { watchRollout } from './watch.ts';

const ORDERS = ['start', 'pause', 'resume', 'skip', 'approve', 'reject', 'abort', 'promote', 'rollback'] as const;

const HELP = `usage: ringside rollout <sub-command>

  create …                             a draft, or with --start a running one; see ringside rollout create --help
  list [--group g] [--state s]         newest first; --state active: those that have not ended
  show <rollout>                       where it is, what it waits for, what is possible
  start|pause|resume|skip <rollout>    [--reason <why>]
  approve|reject <rollout>             [--reason <why>]
  promote <rollout>                    [--challenger <model>] [--reason <why>]
  abort|rollback <rollout>             [--reason <why>]: the weights from before come back
  rollback --group <group>             the exact split before the present one, also without a rollout
  transitions <rollout>                its story
  webhooks <rollout>                   the calls to its webhooks
  delete <rollout>                     a draft
  watch <rollout>                      follows it to its end; ends with 0 when it was promoted, else with 1

  freezes [--all]                      times in which no rollout goes forward
  freeze --for 2d|--until <time> --reason <why> [--from <time>] [--group g]
  unfreeze <freeze id>

A rollout is named by its id or its name (the newest of that name). --json prints what the API answers.
The token is RINGSIDE_ADMIN_TOKEN and the address RINGSIDE_CONTROL_URL, or both are those of credentials.json in RINGSIDE_DATA_DIR.`;

const PAGE = '200';

interface Call {
  readonly api: ControlApi;
  readonly flags: Flags;
  /** The rollout that is meant; empty where the sub-command takes none. */
  readonly ref: string;
}

interface SubCommand {
  readonly options: ParseArgsOptionsConfig;
  /** `maybe`: it can do without. */
  readonly takesRollout: boolean | 'maybe';
  run(call: Call): Promise<void>;
}

const reason: ParseArgsOptionsConfig = { reason: { type: 'string' } };

const COMMANDS: Readonly<Record<string, SubCommand>> = {
  create: { options: CREATE_OPTIONS, takesRollout: false, run: create },
  list: { options: { group: { type: 'string' }, state: { type: 'string' } }, takesRollout: false, run: list },
  show: { options: {}, takesRollout: true, run: show },
  transitions: { options: {}, takesRollout: true, run: transitions },
  watch: { options: {}, takesRollout: true, run: watch },
  webhooks: { options: {}, takesRollout: true, run: webhooks },
  delete: { options: {}, takesRollout: true, run: ({ api, ref }) => api.remove(pathOf(ref)) },
  freezes: { options: { all: { type: 'boolean' } }, takesRollout: false, run: freezes },
  freeze: { options: FREEZE_OPTIONS, takesRollout: false, run: freezeNow },
  unfreeze: {
    options: {},
    takesRollout: true,
    run: ({ api, ref }) => api.remove(`/freeze-windows/${encodeURIComponent(ref)}`),
  },
  ...Object.fromEntries(
    ORDERS.map((kind): [string, SubCommand] => [
      kind,
      { options: reason, takesRollout: true, run: (call) => order(kind, call) },
    ]),
  ),
  promote: {
    options: { ...reason, challenger: { type: 'string' } },
    takesRollout: true,
    run: (call) => order('promote', call),
  },
  rollback: { options: { ...reason, group: { type: 'string' } }, takesRollout: 'maybe', run: rollback },
};

/** `ringside rollout …`: rollouts through the control API. @throws UsageError, CommandError */
export async function rolloutCommand(settings: Settings, args: readonly string[]): Promise<void> {
  const [name = '', ...rest] = args;
  const wantsHelp = args.includes('--help') || args.includes('-h');
  if (wantsHelp || name === 'help') return print(name === 'create' ? CREATE_HELP : HELP);
  const known = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (known === undefined) {
    const problem = name === '' ? 'a sub-command is missing' : `unknown sub-command "${name}"`;
    throw new UsageError(`rollout: ${problem}; see ringside rollout --help`);
  }
  const { flags, ref } = parse(name, known, rest);
  await known.run({ api: createControlApi(await findControlAccess(settings)), flags, ref });
}

function parse(name: string, command: SubCommand, args: readonly string[]): { flags: Flags; ref: string } {
  const hint = `see ringside rollout ${name === 'create' ? 'create ' : ''}--help`;
  let parsed: { values: Flags; positionals: string[] };
  try {
    const options = { ...command.options, json: { type: 'boolean' as const } };
    parsed = parseArgs({ args: [...args], allowPositionals: true, options }) as typeof parsed;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; ${hint}`);
  }
  const [ref, ...more] = parsed.positionals;
  const stray = command.takesRollout === false ? ref : more[0];
  if (stray !== undefined) throw new UsageError(`${name} takes no argument "${stray}"; ${hint}`);
  if (command.takesRollout === true && ref === undefined)
    throw new UsageError(`${name} of which ${name === 'unfreeze' ? 'window' : 'rollout'}? ${hint}`);
  return { flags: parsed.values, ref: ref ?? '' };
}

async function create({ api, flags }: Call): Promise<void> {
  showOne(await api.post<Rollout>('/rollouts', createBody(flags, await fileOf(flags['file']))), flags);
}

async function fileOf(path: Flags[string]): Promise<unknown> {
  if (typeof path !== 'string') return undefined;
  let content: string;
  try {
    content = path === '-' ? await text(process.stdin) : await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`-f: ${(error as Error).message}`);
  }
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new UsageError(`-f ${path}: is no JSON: ${(error as Error).message}`);
  }
}

async function list({ api, flags }: Call): Promise<void> {
  const [group, state] = [flags['group'], flags['state']] as (string | undefined)[];
  const rollouts = await all<Rollout>(api, '/rollouts', { group, state });
  if (flags['json'] === true) print(JSON.stringify(rollouts, null, 2));
  else for (const line of listLines(rollouts, systemClock.nowMs())) print(line);
}

async function show({ api, flags, ref }: Call): Promise<void> {
  showOne(await api.get<Rollout>(pathOf(ref)), flags);
}

function showOne(rollout: Rollout, flags: Flags): void {
  if (flags['json'] === true) print(JSON.stringify(rollout, null, 2));
  else for (const line of showLines(rollout, systemClock.nowMs())) print(line);
}

async function order(kind: (typeof ORDERS)[number], { api, flags, ref }: Call): Promise<void> {
  const { reason: why, challenger } = flags;
  const body = { ...(why === undefined ? {} : { reason: why }), ...(challenger === undefined ? {} : { challenger }) };
  showOne(await api.post<Rollout>(`${pathOf(ref)}/${kind}`, body), flags);
}

async function rollback(call: Call): Promise<void> {
  const { api, flags, ref } = call;
  const { group, reason: why } = flags;
  if ((ref === '') === (group === undefined)) {
    throw new UsageError('rollback takes a rollout or --group <group>; see ringside rollout --help');
  }
  if (typeof group !== 'string') return order('rollback', call);
  const body = why === undefined ? {} : { reason: why };
  const answer = await api.post<{ variants: { model: string; role: string; weightBp: number }[] }>(
    `/groups/${encodeURIComponent(group)}/rollback`,
    body,
  );
  if (flags['json'] === true) print(JSON.stringify(answer, null, 2));
  else for (const { model, role, weightBp } of answer.variants) print(`${model}  ${role}  ${weightBp / 100} %`);
}

async function transitions({ api, flags, ref }: Call): Promise<void> {
  const story = (await all<Transition>(api, `${pathOf(ref)}/transitions`, {})).toReversed();
  if (flags['json'] === true) print(JSON.stringify(story, null, 2));
  else for (const line of transitionLines(story)) print(line);
}

async function webhooks({ api, flags, ref }: Call): Promise<void> {
  const deliveries = await all<Delivery>(api, `${pathOf(ref)}/webhooks`, {});
  if (flags['json'] === true) print(JSON.stringify(deliveries, null, 2));
  else for (const line of deliveryLines(deliveries)) print(line);
}

async function freezes({ api, flags }: Call): Promise<void> {
  showWindows(await all(api, '/freeze-windows', flags['all'] === true ? { all: 'true' } : {}), flags);
}

async function freezeNow({ api, flags }: Call): Promise<void> {
  showWindows([await freeze(api, flags, systemClock.nowMs())], flags);
}

function showWindows(windows: readonly FreezeWindow[], flags: Flags): void {
  if (flags['json'] === true) print(JSON.stringify(windows, null, 2));
  else for (const line of freezeLines(windows)) print(line);
}

async function watch({ api, flags, ref }: Call): Promise<void> {
  const end = await watchRollout({ api, path: pathOf(ref), json: flags['json'] === true, print });
  if (end.state !== 'promoted') process.exitCode = 1;
}

/** Every page of a list. */
async function all<Item>(api: ControlApi, path: string, query: Record<string, string | undefined>): Promise<Item[]> {
  const items: Item[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await api.get<{ items: Item[]; nextCursor: string | null }>(path, { ...query, limit: PAGE, cursor });
    items.push(...page.items);
    if (page.nextCursor === null) return items;
    cursor = page.nextCursor;
  }
}

function pathOf(ref: string): string {
  return `/rollouts/${encodeURIComponent(ref)}`;
}
