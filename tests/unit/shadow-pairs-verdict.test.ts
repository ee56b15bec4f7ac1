import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { readVerdict, showsShadowFirst, verdictMeasures } from '#core/shadow/verdict.ts';

test.each([
  ['{"winner":"first","reason":"because"}', { preference: 1, reason: 'because' }],
  ['```json\n{"winner": "second"}\n```', { preference: -1, reason: '' }],
  ['{"reason":"a\\u0000b\\nc","winner":"tie"}', { preference: 0, reason: 'a b c' }],
  ['{"score":-0.25}', { preference: -0.25, reason: '' }],
  ['{"score":2}', null],
  ['{"winner":"shadow"}', null],
  ['first', null],
  ['', null],
])('the verdict in %j', (text, expected) => {
  expect(readVerdict(text)).toEqual(expected);
});

test('half of all pairs show the shadow first, and one pair always the same', () => {
  const ids = Array.from({ length: 4_000 }, (_, at) => `pair-${at}`);
  const first = ids.filter(showsShadowFirst).length;
  // Five standard deviations.
  expect(Math.abs(first - 2_000)).toBeLessThan(5 * Math.sqrt(1_000));
  const id = randomUUID();
  expect(showsShadowFirst(id)).toBe(showsShadowFirst(id));
});

test('a preference is for the shadow or against it, by what was shown first', () => {
  expect(verdictMeasures(1, true)).toEqual({ judge_score: 1, judge_first_preference: 1, judge_shadow_first: 1 });
  expect(verdictMeasures(1, false)).toEqual({ judge_score: -1, judge_first_preference: 1, judge_shadow_first: 0 });
  expect(verdictMeasures(-0.5, false)).toEqual({
    ...{ judge_score: 0.5, judge_first_preference: -0.5, judge_shadow_first: 0 },
  });
  expect(verdictMeasures(0, false)).toEqual({ judge_score: 0, judge_first_preference: 0, judge_shadow_first: 0 });
});
