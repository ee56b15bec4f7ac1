import { formatDuration, formatWeight } from './quantities.ts';

/** As far as the command shows them; the shapes are those of the API. */
export interface Rollout {
  readonly id: string;
  readonly name: string;
  readonly group: string;
  readonly state: string;
  readonly paused: { readonly since: string; readonly reason: string } | null;
  readonly champion: string;
  readonly challengers: readonly string[];
  readonly removed: readonly string[];
  readonly phase: number;
  readonly step: { readonly number: number; readonly of: number; readonly weightBp: number } | null;
  readonly since: string;
  readonly weights: Readonly<Record<string, number>>;
  readonly waitsFor: string;
  readonly notes: readonly string[];
  readonly nextLookAt: string | null;
  readonly possible: readonly string[];
  readonly reason: string;
  readonly plan: { readonly strategy: { readonly kind: string }; readonly dryRun: boolean };
  readonly endedAt: string | null;
  readonly webhookSecret?: string;
}

export interface Transition {
  readonly id: number;
  readonly at: string;
  readonly event: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly actor: string;
  readonly weights: Readonly<Record<string, number>> | null;
}

/** A line for each rollout, below a heading. */
export function listLines(rollouts: readonly Rollout[], nowMs: number): string[] {
  if (rollouts.length === 0) return ['no rollouts'];
  const rows = rollouts.map((rollout) => [
    rollout.name,
    rollout.group,
    stateOf(rollout),
    rollout.plan.strategy.kind,
    // The weights of one that has ended are another one's, or a person's.
    rollout.challengers
      .map((model) => (rollout.endedAt === null ? `${model} ${formatWeight(rollout.weights[model] ?? 0)}` : model))
      .join(', '),
    formatDuration(nowMs - Date.parse(rollout.since)),
  ]);
  return table([['name', 'group', 'state', 'strategy', 'challengers', 'for'], ...rows]);
}

/** Everything about one rollout. */
export function showLines(rollout: Rollout, nowMs: number): string[] {
  const { step, nextLookAt } = rollout;
  const weights = Object.entries(rollout.weights).map(([model, weightBp]) => `${model} ${formatWeight(weightBp)}`);
  const rows: [string, string][] = [
    ['rollout', `${rollout.name} (${rollout.id})`],
    ['group', rollout.group],
    ['state', `${stateOf(rollout)}, for ${formatDuration(nowMs - Date.parse(rollout.since))}`],
    ['strategy', rollout.plan.strategy.kind + (rollout.plan.dryRun ? ', dry run: nothing is moved' : '')],
    ...(step === null
      ? []
      : ([['step', `${step.number} of ${step.of}, ${formatWeight(step.weightBp)}`]] as [string, string][])),
    ['champion', rollout.champion],
    ['challengers', rollout.challengers.map((model) => nameOf(rollout, model)).join(', ')],
    [rollout.endedAt === null ? 'weights' : 'weights now', weights.join(', ')],
    ['reason', rollout.reason === '' ? '–' : rollout.reason],
    ['waits for', rollout.waitsFor],
    ...rollout.notes.map((note): [string, string] => ['note', note]),
    ['next look', nextLookAt ?? 'none'],
    ['possible', rollout.possible.length === 0 ? 'nothing more' : rollout.possible.join(', ')],
  ];
  if (rollout.webhookSecret !== undefined) {
    rows.push(['secret', `${rollout.webhookSecret} signs the calls to webhooks; it is not shown again`]);
  }
  return table(rows);
}

/** A call to a webhook. */
export interface Delivery {
  readonly id: string;
  readonly hook: string;
  readonly state: string;
  readonly attempts: number;
  readonly nextAt: string | null;
  readonly detail: string;
}

/** A line for each call, below a heading. */
export function deliveryLines(deliveries: readonly Delivery[]): string[] {
  if (deliveries.length === 0) return ['no calls'];
  const rows = deliveries.map(({ id, hook, state, attempts, nextAt, detail }) => [
    ...[id, hook, state, String(attempts), nextAt ?? '', detail],
  ]);
  return table([['id', 'hook', 'state', 'attempts', 'next', 'answer'], ...rows]);
}

/** A line for each step, oldest first. */
export function transitionLines(transitions: readonly Transition[]): string[] {
  return transitions.length === 0 ? ['nothing has happened yet'] : transitions.map(transitionLine);
}

export function transitionLine({ at, event, from, to, reason, actor, weights }: Transition): string {
  const moved =
    weights === null
      ? ''
      : ` [${Object.entries(weights)
          .map(([model, bp]) => `${model} ${formatWeight(bp)}`)
          .join(', ')}]`;
  const states = from === to ? from : `${from} → ${to}`;
  return `${at}  ${event.padEnd(13)} ${states}${moved}: ${reason} (${actor})`;
}

function nameOf({ removed }: Rollout, model: string): string {
  return removed.includes(model) ? `${model} (taken out)` : model;
}

function stateOf({ state, paused }: Rollout): string {
  const name = state.replaceAll('_', ' ');
  return paused === null ? name : `${name}, paused`;
}

/** Columns as wide as what is in them. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
