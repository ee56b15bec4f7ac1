import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { ENDED_STATES } from '#core/rollout/state.ts';
import { isAssigned } from '#core/weights.ts';
import { variantsOf } from '#store/groups.ts';
import type { Tx } from '#store/pool.ts';
import { countByState, rolloutFacts, type StateCount } from '#store/rollout-facts.ts';
import { runningRollouts } from '#store/rollouts.ts';

/** A rollout that is under way, as far as a scrape shows it. A group has one at most, which bounds the series. */
export interface RunningRollout {
  readonly group: string;
  readonly name: string;
  readonly state: string;
  readonly strategy: string;
  readonly dryRun: boolean;
  /** What paused it; null: it is not paused. */
  readonly pauseCause: string | null;
  readonly inStateS: number;
  readonly sinceLookS: number;
  readonly weights: readonly { readonly model: string; readonly role: string; readonly weightBp: number }[];
}

type Labels = Readonly<Record<string, string>>;

/** What Prometheus scrapes of an organization's rollouts, in its text format (version 0.0.4). */
export async function rolloutMetrics(tx: Tx, organizationId: string, nowMs: number): Promise<string> {
  const rows = await runningRollouts(tx, organizationId);
  const facts = await rolloutFacts(
    tx,
    organizationId,
    rows.map(({ id }) => id),
  );
  const variants = await variantsOf(
    tx,
    organizationId,
    rows.map(({ group_id }) => group_id),
  );
  const running = rows.map((row): RunningRollout => {
    const { group, lastLookAt } = facts.get(row.id)!;
    const { pause, sinceMs } = rolloutMemorySchema.parse(row.memory);
    const secondsSince = (ms: number) => Math.max(0, nowMs - ms) / 1_000;
    return {
      ...{ group, name: row.name, state: row.state, strategy: row.plan.strategy.kind, dryRun: row.plan.dryRun },
      pauseCause: pause?.cause ?? null,
      inStateS: secondsSince(sinceMs),
      // Before the first look: since the start, so that looks that never come are seen.
      sinceLookS: secondsSince((lastLookAt ?? row.started_at ?? row.created_at).getTime()),
      weights: (variants.get(row.group_id) ?? [])
        .filter(({ role }) => isAssigned(role))
        .map(({ model, role, weight_bp }) => ({ model, role, weightBp: weight_bp })),
    };
  });
  return writeRolloutMetrics(running, await countByState(tx, organizationId));
}

/** Every group that ever had a rollout has all ends, at 0 too: an increase is only seen of a series that was there before. */
export function writeRolloutMetrics(running: readonly RunningRollout[], ended: readonly StateCount[]): string {
  const out: string[] = [];
  const head = (name: string, type: 'counter' | 'gauge', help: string) =>
    out.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  const line = (name: string, labels: Labels, value: number) => out.push(`${name}${labelsText(labels)} ${value}`);
  const perRollout = (name: string, help: string, value: (rollout: RunningRollout) => number) => {
    head(name, 'gauge', help);
    for (const rollout of running) line(name, { group: rollout.group, rollout: rollout.name }, value(rollout));
  };

  head('ringside_rollouts_ended_total', 'counter', 'Rollouts that have ended, by how.');
  for (const group of new Set(ended.map((each) => each.group))) {
    for (const state of ENDED_STATES) {
      const found = ended.find((each) => each.group === group && each.state === state);
      line('ringside_rollouts_ended_total', { group, state }, found?.count ?? 0);
    }
  }
  head('ringside_rollout_info', 'gauge', 'Rollouts that are under way: always 1.');
  for (const { group, name, state, strategy, dryRun } of running) {
    line('ringside_rollout_info', { group, rollout: name, state, strategy, dry_run: String(dryRun) }, 1);
  }
  head('ringside_rollout_paused', 'gauge', 'Whether a rollout is paused, by what paused it; a person must resume it.');
  for (const { group, name, pauseCause } of running) {
    const labels = { group, rollout: name, cause: pauseCause ?? '' };
    line('ringside_rollout_paused', labels, pauseCause === null ? 0 : 1);
  }
  perRollout('ringside_rollout_state_seconds', 'Time in the present state or step.', ({ inStateS }) => inStateS);
  perRollout(
    'ringside_rollout_since_look_seconds',
    'Time since a rollout was last looked at, or started.',
    ({ sinceLookS }) => sinceLookS,
  );
  head('ringside_rollout_weight_ratio', 'gauge', 'Share of the buckets of the group of a rollout, by model.');
  for (const { group, name, weights } of running) {
    for (const { model, role, weightBp } of weights)
      line('ringside_rollout_weight_ratio', { group, rollout: name, model, role }, weightBp / 10_000);
  }
  return `${out.join('\n')}\n`;
}

function labelsText(labels: Labels): string {
  const escaped = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')}}`;
}
