import { expect, test } from 'vitest';
import { isSampled } from '#core/sampling.ts';
import { newInferenceId } from '../support/records.ts';

const ids = Array.from({ length: 20_000 }, () => newInferenceId());

test.each([0, 1, 100, 5_000, 9_999, 10_000])('%i of 10 000 are drawn', (sampleBp) => {
  const share = ids.filter((id) => isSampled(id, sampleBp)).length / ids.length;
  const expected = sampleBp / 10_000;
  // Five standard deviations.
  expect(Math.abs(share - expected)).toBeLessThanOrEqual(5 * Math.sqrt((expected * (1 - expected)) / ids.length));
});

test('the id alone decides, a larger share holds the smaller one', () => {
  for (const id of ids.slice(0, 1_000)) {
    expect(isSampled(id, 300)).toBe(isSampled(id, 300));
    if (isSampled(id, 300)) expect(isSampled(id, 301)).toBe(true);
  }
});

test('it does not follow the choice of a deployment, which takes the last 32 bits', () => {
  const drawn = ids.filter((id) => isSampled(id, 5_000));
  const firstHalf = drawn.filter((id) => Number.parseInt(id.slice(28), 16) < 0x8000_0000).length;
  expect(firstHalf / drawn.length).toBeCloseTo(0.5, 1);
});

test('known ids', () => {
  expect(isSampled('01890000-0000-7000-8000-0000ffffffff', 1)).toBe(true);
  expect(isSampled('01890000-0000-7000-8fff-ffff00000000', 9_999)).toBe(false);
  expect(isSampled('01890000-0000-7000-87ff-ffff00000000', 5_000)).toBe(true);
  expect(isSampled('01890000-0000-7000-8800-000000000000', 5_000)).toBe(false);
});
