import { VERDICTS, type Verdict } from '#core/experiments/look.ts';
import { ENDED_STATES } from '#core/rollout/state.ts';
import type { StateCount } from '#store/rollout-facts.ts';

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
  /** Of the last look; null: nobody has looked yet. */
  readonly seen: {
    readonly splitP: number;
    readonly isSplitBroken: boolean;
    readonly verdicts: readonly { readonly challenger: string; readonly verdict: Verdict }[];
  } | null;
  readonly weights: readonly { readonly model: string; readonly role: string; readonly weightBp: number }[];
}

type Labels = Readonly<Record<string, string>>;

/** The samples of a metric. */
type Samples<Of> = (of: Of) => readonly (readonly [labels: Labels, value: number])[];

/** Every group that ever had a rollout has all ends, at 0 too: an increase is only seen of a series that was there before. */
export function writeRolloutMetrics(running: readonly RunningRollout[], ended: readonly StateCount[]): string {
  const groups = [...new Set(ended.map(({ group }) => group))];
  const counted = (group: string, state: string) =>
    ended.find((each) => each.group === group && each.state === state)?.count ?? 0;
  return [
    ...written('ringside_rollouts_ended_total', 'counter', 'Rollouts that have ended, by how.', groups, (group) =>
      ENDED_STATES.map((state) => [{ group, state }, counted(group, state)]),
    ),
    ...RUNNING.flatMap(({ name, help, samples }) =>
      written(name, 'gauge', help, running, (rollout) =>
        samples(rollout).map(([labels, value]) => [{ group: rollout.group, rollout: rollout.name, ...labels }, value]),
      ),
    ),
    '',
  ].join('\n');
}

/** What there is of each rollout that is under way; the labels come behind those of the rollout. */
const RUNNING: readonly {
  readonly name: string;
  readonly help: string;
  readonly samples: Samples<RunningRollout>;
}[] = [
  {
    name: 'ringside_rollout_info',
    help: 'Rollouts that are under way: always 1.',
    samples: ({ state, strategy, dryRun }) => [[{ state, strategy, dry_run: String(dryRun) }, 1]],
  },
  {
    name: 'ringside_rollout_paused',
    help: 'Whether a rollout is paused, by what paused it; a person must resume it.',
    samples: ({ pauseCause }) => [[{ cause: pauseCause ?? '' }, pauseCause === null ? 0 : 1]],
  },
  {
    name: 'ringside_rollout_state_seconds',
    help: 'Time in the present state or step.',
    samples: ({ inStateS }) => [[{}, inStateS]],
  },
  {
    name: 'ringside_rollout_since_look_seconds',
    help: 'Time since a rollout was last looked at, or started.',
    samples: ({ sinceLookS }) => [[{}, sinceLookS]],
  },
  {
    name: 'ringside_rollout_weight_ratio',
    help: 'Share of the buckets of the group of a rollout, by model.',
    samples: ({ weights }) => weights.map(({ model, role, weightBp }) => [{ model, role }, weightBp / 10_000]),
  },
  {
    name: 'ringside_rollout_split_p_value',
    help: 'Smallest p-value, of all looks so far, of the split of units against the weights; valid at every look.',
    samples: ({ seen }) => (seen === null ? [] : [[{}, seen.splitP]]),
  },
  {
    name: 'ringside_rollout_split_broken',
    help: 'Whether that p-value has fallen below its alpha, so that nothing is promoted.',
    samples: ({ seen }) => (seen === null ? [] : [[{}, Number(seen.isSplitBroken)]]),
  },
  {
    name: 'ringside_rollout_verdict',
    help: 'What the last look concludes of each challenger: 1, and 0 for every other verdict.',
    samples: ({ seen }) =>
      (seen?.verdicts ?? []).flatMap(({ challenger, verdict }) =>
        VERDICTS.map((each): [Labels, number] => [{ challenger, verdict: each }, Number(each === verdict)]),
      ),
  },
];

function written<Of>(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  all: readonly Of[],
  samples: Samples<Of>,
): string[] {
  const lines = all.flatMap((each) => samples(each).map(([labels, value]) => `${name}${labelsText(labels)} ${value}`));
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
}

function labelsText(labels: Labels): string {
  const escaped = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')}}`;
}
