export const SHADOWS_EXAMPLE = {
  group: 'support-chat',
  groupId: '01890a5d-ac96-774b-bcce-b302099a8057',
  since: '2030-01-01T00:00:00.000Z',
  until: '2030-01-08T00:00:00.000Z',
  alpha: 0.05,
  plannedUnits: 5_000,
  shadows: [
    {
      model: 'gpt-next',
      pairs: { pending: 2, compared: 8_120, givenUp: 1 },
      givenUp: [
        { reason: 'the row of the inference is not in the log after a day: never brought, or removed', pairs: 1 },
      ],
      firstAt: '2030-01-01T00:03:11.000Z',
      lastAt: '2030-01-07T23:58:40.000Z',
      failures: { pairs: 8_120, original: 9, shadow: 14, both: 3 },
      evaluations: { pending: 1, scored: 480, failed: 3, lastProblem: 'the webhook answered 503' },
      measures: [
        {
          ...{ measure: 'latency_us', kind: 'difference', about: 'duration of first attempts, where both succeeded' },
          ...{ pairs: 8_100, units: 2_410, mean: -41_300, standardError: 4_100, lower: -53_900, upper: -28_700 },
          ...{ pValue: 1.2e-11, why: null },
        },
        {
          ...{ measure: 'text_similarity', kind: 'level', about: 'share of words in both texts, in order' },
          ...{ pairs: 7_940, units: 2_390, mean: 0.71, standardError: 0.004, lower: 0.698, upper: 0.722 },
          ...{ pValue: null, why: null },
        },
      ],
      outputs: [],
    },
  ],
};
