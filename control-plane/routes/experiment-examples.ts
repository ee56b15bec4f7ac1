import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { GROUP_EXAMPLE } from './examples.ts';

const SINCE = '2030-01-01T00:00:00.000Z';
const UNTIL = '2030-01-02T00:00:00.000Z';
const GROUP = { group: GROUP_EXAMPLE.name, groupId: GROUP_EXAMPLE.id };

export const EXPERIMENT_SUMMARY_EXAMPLE = {
  id: '0190163d-8694-7abc-8def-0123456789ab',
  name: 'next-model',
  ...GROUP,
  state: 'deciding',
  reason: 'The last step is over.',
  arms: ['gpt-small', 'gpt-next'],
  primary: 'latency',
  phase: 1,
  since: SINCE,
  endedAt: null,
  closedAt: null,
  createdAt: SINCE,
};

export const EXPERIMENT_EXAMPLE = {
  ...EXPERIMENT_SUMMARY_EXAMPLE,
  definition: experimentDefinitionSchema.parse({ primary: { metric: 'latency' } }),
  caps: {},
  armModels: [
    { model: 'gpt-small', modelId: '0d2f3c1e-7f5a-4c7d-8a53-0a9c5f7f2b22', role: 'champion' },
    { model: 'gpt-next', modelId: '0d2f3c1e-7f5a-4c7d-8a53-0a9c5f7f2b23', role: 'challenger' },
  ],
  phases: [
    {
      ...{ phase: 1, since: SINCE, weightsBp: [5_000, 5_000], isMixed: false, units: [5_012, 4_988] },
      ...{ failingUnits: [21, 19], requests: [20_300, 20_112], failures: [22, 20] },
    },
  ],
};

const RESULT_EXAMPLE = {
  ...{
    metric: 'latency',
    kind: 'mean',
    unit: 'us' as const,
    direction: 'decrease',
    relative: true,
    method: 'confidence_sequence',
    why: null,
  },
  champion: { units: 5_012, n: 20_278, mean: 812_400 },
  challenger: { units: 4_988, n: 20_092, mean: 731_200 },
  ...{
    effect: -0.1,
    standardError: 0.012,
    lower: -0.137,
    upper: -0.063,
    pValue: 0.00001,
    alpha: 0.05,
    varianceReduction: 0.31,
  },
};

const SRM_EXAMPLE = {
  ...{ pValue: 1, minPValue: 0.83, alpha: 0.001, fired: false, expected: [5_000, 5_000], observed: [5_012, 4_988] },
  chiSquare: { statistic: 0.0576, degreesOfFreedom: 1, pValue: 0.81 },
};

const LOOK_EXAMPLE = {
  ...{ atMs: Date.parse(UNTIL), phase: 1, srm: SRM_EXAMPLE },
  evidence: { lost: 0, underWay: 3, lastAtMs: Date.parse(UNTIL) - 40, broken: [] },
  ...{ units: [5_012, 4_988], requests: [20_300, 20_112] },
  comparisons: [
    {
      ...{ challenger: 'gpt-next', arm: 1, primary: RESULT_EXAMPLE, guardrails: [] },
      fastGuard: { kind: 'two_arm' as const, eValue: 0.08, threshold: 100, fired: false },
      unguarded: null,
      ...{ verdict: 'challenger_better', reasons: ['latency: −10 % against the champion (−13.7 % to −6.3 %)'] },
    },
  ],
};

const QUANTILE_EXAMPLE = {
  ...{
    quantile: 0.95,
    valueMs: 1_900,
    lowerMs: 1_860,
    upperMs: 1_940,
    ranks: { lower: 19_202, upper: 19_326, of: 20_278 },
  },
};

export const LOOKS_EXAMPLE = {
  items: [{ id: 4_711, look: LOOK_EXAMPLE }],
  nextCursor: null,
  lossWindows: [],
  thinnedBefore: UNTIL,
};

export const ANALYSIS_EXAMPLE = {
  experiment: EXPERIMENT_EXAMPLE,
  ...{ look: LOOK_EXAMPLE, stale: null, amendments: null },
  metrics: {
    latency: [
      {
        phase: 1,
        arms: [
          { units: 5_012, n: 20_278, mean: 812_400, standardError: 6_800 },
          { units: 4_988, n: 20_092, mean: 731_200, standardError: 6_500 },
        ],
      },
    ],
  },
  labelDelays: {
    arms: [
      {
        ...{ metric: 'rating', arm: 1, reports: 812, reported: 800, inferences: 20_112, coverage: 0.0398 },
        delayMs: { p50: 42_000, p90: 3_600_000, p99: 86_000_000 },
      },
    ],
    unjoined: [{ metric: 'rating', pending: 2, unmatched: 0 }],
  },
  display: {
    notice: 'Figures of a fixed sample …',
    ...{ latency: [[QUANTILE_EXAMPLE], [QUANTILE_EXAMPLE]], firstToken: [[], []] },
    errorRate: [{ value: 0.00108, lower: 0.00072, upper: 0.00164 }, null],
    errorRateDifference: [{ value: -0.0001, lower: -0.0007, upper: 0.0006 }],
  },
  lossWindows: [{ since: SINCE, until: UNTIL, lost: 2 }],
  looks: { items: LOOKS_EXAMPLE.items, nextCursor: null, thinnedBefore: UNTIL },
};

export const BREAKDOWN_EXAMPLE = {
  ...{ by: 'metadata.tenant', metric: 'latency', since: SINCE, until: UNTIL },
  warning: '2 values were looked at. Somewhere among so many an effect appears by chance …',
  ...{ notes: [], distinctValues: 2, rows: { found: 40_412, counted: 40_412 } },
  values: [
    {
      value: 'acme',
      name: null,
      challengers: [{ challenger: 'gpt-next', result: { ...RESULT_EXAMPLE, alpha: 0.025 } }],
    },
  ],
};

export const COMPARISON_EXAMPLE = {
  ...GROUP,
  ...{ source: 'rows', notice: 'Exact sums by unit of assignment …', since: SINCE, until: UNTIL, phase: 2 },
  ...{ experiment: null, look: null, stale: null },
  arms: [
    {
      ...{ model: 'gpt-small', role: 'champion', weightBp: 9_000, units: 5_012, requests: 20_300, failures: 22 },
      ...{ errorRate: 0.00108, latencyMs: { p50: 780, p95: 1_900, p99: 3_100 }, inputTokens: 8_120_000 },
      ...{ outputTokens: 2_030_000, costMicroUsd: 9_800_000, withCost: 20_278 },
    },
  ],
  metrics: [
    {
      metric: 'latency',
      challengers: [
        { challenger: 'gpt-next', result: RESULT_EXAMPLE, verdict: 'challenger_better', reasons: ['latency: −10 %'] },
      ],
    },
  ],
  srm: SRM_EXAMPLE,
  shadows: [{ model: 'gpt-shadow', pending: 3, compared: 812, givenUp: 1 }],
};

export const SPLIT_EXAMPLE = {
  ...GROUP,
  ...{ since: SINCE, until: '2030-01-01T00:01:00.000Z', stepMinutes: 1, notes: [] },
  steps: [
    {
      ...{ from: SINCE, until: '2030-01-01T00:01:00.000Z', requests: 100, units: 40 },
      variants: [
        {
          ...{
            model: 'gpt-next',
            configuredBp: 1_000,
            assigned: 13,
            assignedShare: 0.13,
            served: 12,
            servedShare: 0.1212,
          },
          deviation: 0.047,
          became: {
            ...{
              servedAssigned: 12,
              fallback: {},
              errors: { upstream_timeout: 1 },
              clientClosed: 0,
              interrupted: 0,
              pinned: 0,
            },
          },
        },
      ],
      reasons: [
        {
          ...{ difference: 'served', code: 'error', variant: 'gpt-next', count: 1 },
          detail: '1 that were assigned to gpt-next got no answer: upstream_timeout.',
        },
      ],
    },
  ],
  experiment: null,
};
