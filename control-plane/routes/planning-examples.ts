const tests = (fixed: number, sequence: number, sequenceTypical: number) => ({ fixed, sequence, sequenceTypical });

export const PLANNER_EXAMPLE = {
  group: 'support-chat',
  metric: 'latency',
  relative: true,
  traffic: { days: 7, inferences: 184_000, units: 21_000, unitsPerDay: 6_400, returning: 0.39 },
  champion: { model: 'gpt-small', units: 19_900, mean: 812_000, variancePerUnit: 2.1e11 },
  asked: 'days',
  effect: tests(0.05, 0.05, 0.05),
  days: tests(3.2, 9.1, 5.9),
  weightBp: tests(1_000, 1_000, 1_000),
  units: tests(13_000, 24_600, 18_900),
  plannedUnits: 4_920,
  curve: [{ days: 7, units: 21_000, effect: tests(0.039, 0.054, 0.047) }],
  warnings: [],
};

const figure = (before: number, value: number, half: number) => ({
  before,
  after: { value, lower: value - half, upper: value + half },
  difference: { value: value - before, lower: value - before - half, upper: value - before + half },
});

export const REPLAY_EXAMPLE = {
  group: 'support-chat',
  since: '2030-01-01T00:00:00.000Z',
  until: '2030-01-02T00:00:00.000Z',
  weights: { 'gpt-small': 7_000, 'gpt-large': 3_000 },
  inferences: 26_300,
  moved: 5_260,
  sampledShare: 1,
  figures: {
    costMicroUsd: figure(41_000_000, 66_500_000, 900_000),
    outputTokens: figure(5_200_000, 5_450_000, 40_000),
    errorRate: figure(0.004, 0.0036, 0.0007),
    latencyMs: figure(812, 1_020, 15),
    overObjectiveRate: figure(0.01, 0.013, 0.002),
  },
  busiestMinute: {
    before: [{ variant: 'gpt-small', inferences: 61, tokens: 24_000 }],
    after: [{ variant: 'gpt-small', inferences: 50, tokens: 19_800 }],
  },
  warnings: [],
};
