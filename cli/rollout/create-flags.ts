import type { ParseArgsOptionsConfig } from 'node:util';
import { UsageError } from '../usage-error.ts';
import { parseGuardrail, parsePrimary } from './metric-flags.ts';
import { durationFlag, type Flags, optional, parseStrategy, weightFlag } from './strategy-flags.ts';

const TEXTS = [
  ...['group', 'name', 'strategy', 'steps', 'hold', 'return', 'from', 'to', 'increment', 'over', 'weight'],
  ...[
    'shadow-first',
    'sample',
    'pairs',
    'primary',
    'alpha',
    'planned-units',
    'interval',
    'min-duration',
    'max-duration',
  ],
  ...['on-inconclusive', 'on-equivalent', 'on-unguarded', 'reason'],
] as const;
const LISTS = ['challenger', 'guardrail', 'approve', 'webhook'] as const;
const SWITCHES = ['dry-run', 'no-auto-promote', 'start'] as const;
/** What may stand beside `-f`, where it goes before what the file says. */
const BESIDE_FILE: readonly string[] = ['group', 'name', 'challenger', 'start', 'reason'];

export const CREATE_OPTIONS: ParseArgsOptionsConfig = {
  ...Object.fromEntries(TEXTS.map((name) => [name, { type: 'string' as const }])),
  ...Object.fromEntries(LISTS.map((name) => [name, { type: 'string' as const, multiple: true }])),
  ...Object.fromEntries(SWITCHES.map((name) => [name, { type: 'boolean' as const }])),
  file: { type: 'string', short: 'f' },
};

export const CREATE_HELP = `usage: ringside rollout create --group <group> --challenger <model> … [options]
       ringside rollout create -f <file.json> [--group …] [--name …] [--challenger …] [--start]   (- reads standard input)

  --name <name>          default: <challenger>-in-<group>
  --strategy canary|direct|blue-green|rolling|ab
    canary      --steps 5%:10m,25%:30m:1000u,50%:1h:approval    weight, then time, units in the arm, approval
    direct      --hold 1h             all at once, then a hold in which one call takes it back
    blue-green  --return 1h           all at once, with an instant return
    rolling     --from 0% --to 100% --increment 5% --over 1h
    ab          --weight 50%          a fixed split until it is decided
  --shadow-first 10m [--sample 10%] [--pairs 100]               mirrors traffic first
  --primary thumbs_up:increase:rate:5%     metric, direction, kind, smallest effect that matters; absolute: not relative
  --guardrail error_rate:1%:rollback       metric, margin (1%, 0.01, 50ms), severity rollback|pause|warn, relative; may be repeated
  --alpha 0.05  --planned-units 5000       units of champion and challenger at which intervals are tightest (ringside plan tells)
  --approve start|promotion                a person must agree (ringside rollout approve); may be repeated
  --webhook confirm-promotion=https://…    confirm-start, confirm-step, confirm-promotion, on-rollback, on-end; may be repeated
  --min-duration 1d  --max-duration 14d  --interval 30s
  --on-inconclusive pause|rollback|end     --on-equivalent promote|pause|rollback|end
  --on-unguarded go_on|pause               a challenger alone, and no history of the champion to guard it by
  --no-auto-promote  --dry-run             waits for approval even where the evidence is clear; moves nothing
  --start [--reason <why>]                 at once; otherwise it is a draft
  --json`;

/** What `POST /rollouts` is sent. `file`: the contents of `-f`. @throws UsageError */
export function createBody(flags: Flags, file: unknown): object {
  const stray = Object.keys(flags).find((name) => file !== undefined && flags[name] !== undefined && !isBeside(name));
  if (stray !== undefined) throw new UsageError(`--${stray} cannot stand beside -f; write it into the file`);
  if (file === undefined) return fromFlags(flags);
  if (typeof file !== 'object' || file === null || Array.isArray(file))
    throw new UsageError('-f: holds no JSON object');
  return { ...file, ...common(flags) };
}

function isBeside(name: string): boolean {
  return BESIDE_FILE.includes(name) || name === 'file' || name === 'json';
}

function common(flags: Flags): object {
  return {
    ...optional('group', flags['group']),
    ...optional('name', flags['name']),
    ...optional('challengers', flags['challenger']),
    ...optional('start', flags['start']),
    ...optional('reason', flags['reason']),
  };
}

function fromFlags(flags: Flags): object {
  const { group, challenger } = flags;
  if (typeof group !== 'string') throw new UsageError('--group is missing');
  const challengers = list(challenger);
  if (challengers.length === 0) throw new UsageError('--challenger is missing');
  const experiment = {
    ...optional('primary', typeof flags['primary'] === 'string' ? parsePrimary(flags['primary']) : undefined),
    ...optional(
      'guardrails',
      flags['guardrail'] === undefined ? undefined : list(flags['guardrail']).map(parseGuardrail),
    ),
    ...optional('alpha', numberFlag(flags, 'alpha')),
    ...optional('plannedUnits', numberFlag(flags, 'planned-units')),
  };
  const plan = {
    strategy: parseStrategy(flags),
    ...optional('shadowFirst', shadowFirst(flags)),
    ...optional('approvals', flags['approve']),
    ...optional('webhooks', flags['webhook'] === undefined ? undefined : list(flags['webhook']).map(parseWebhook)),
    ...optional('intervalMs', durationFlag(flags, 'interval')),
    ...optional('minDurationMs', durationFlag(flags, 'min-duration')),
    ...optional('maxDurationMs', durationFlag(flags, 'max-duration')),
    ...optional('onInconclusive', flags['on-inconclusive']),
    ...optional('onEquivalent', flags['on-equivalent']),
    ...optional('onUnguarded', flags['on-unguarded']),
    ...(flags['no-auto-promote'] === true ? { autoPromote: false } : {}),
    ...optional('dryRun', flags['dry-run']),
  };
  const name = flags['name'] ?? `${challengers.join('-')}-in-${group}`;
  return { ...common(flags), name, experiment, plan };
}

function shadowFirst(flags: Flags): object | undefined {
  const durationMs = durationFlag(flags, 'shadow-first');
  const rest = {
    ...optional('sampleBp', weightFlag(flags, 'sample')),
    ...optional('minPairs', numberFlag(flags, 'pairs')),
  };
  if (durationMs !== undefined) return { durationMs, ...rest };
  if (Object.keys(rest).length > 0) throw new UsageError('--sample and --pairs belong to --shadow-first');
  return undefined;
}

function parseWebhook(text: string): object {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--webhook ${text}: write hook=url`);
  return { hook: text.slice(0, at), url: text.slice(at + 1) };
}

function numberFlag(flags: Flags, name: string): number | undefined {
  const text = flags[name];
  if (typeof text !== 'string') return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new UsageError(`--${name}: "${text}" is no number`);
  return value;
}

function list(value: Flags[string]): readonly string[] {
  return Array.isArray(value) ? (value as readonly string[]) : [];
}
