import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { writeThinking } from '#gateway/providers/google/thinking.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import type { Reasoning } from '#translation/chat/request.ts';

const OLD = 'gemini-2.5-flash';
const NEW = 'gemini-3-pro-preview';

function write(reasoning: Partial<Reasoning>, model: string, lenient = false) {
  const refusals = createRefusals('google', lenient);
  const whole = { effort: null, budgetTokens: null, show: null, adaptive: false, ...reasoning };
  return writeThinking(whole, model, 'reasoning_effort', refusals);
}

describe('how much Google’s models shall think', () => {
  test.each([
    ['none', OLD, { thinkingBudget: 0 }],
    ['minimal', OLD, { thinkingBudget: 1_024 }],
    ['max', OLD, { thinkingBudget: 24_576 }],
    ['max', 'gemini-2.5-pro', { thinkingBudget: 32_768 }],
    ['minimal', 'gemini-3-flash-preview', { thinkingLevel: 'MINIMAL' }],
    ['minimal', NEW, { thinkingLevel: 'LOW' }],
    ['medium', NEW, { thinkingLevel: 'MEDIUM' }],
    ['xhigh', NEW, { thinkingLevel: 'HIGH' }],
    [2_047, NEW, { thinkingLevel: 'LOW', includeThoughts: true }],
    [8_192, NEW, { thinkingLevel: 'MEDIUM', includeThoughts: true }],
    [500, 'gemini-3-flash-preview', { thinkingLevel: 'MINIMAL', includeThoughts: true }],
    [64, 'gemini-2.5-pro', { thinkingBudget: 128, includeThoughts: true }],
    ['adaptive', OLD, { thinkingBudget: -1 }],
    ['adaptive', NEW, undefined],
  ] as const)('%s for %s', (amount, model, thinkingConfig) => {
    const reasoning =
      amount === 'adaptive'
        ? { adaptive: true }
        : typeof amount === 'number'
          ? { budgetTokens: amount }
          : { effort: amount };
    expect(write(reasoning, model)).toEqual(thinkingConfig);
  });

  test('is shown where that is asked for', () => {
    expect(write({ show: false, budgetTokens: 2_048 }, OLD)).toEqual({ thinkingBudget: 2_048, includeThoughts: false });
    expect(write({ show: true }, NEW)).toEqual({ includeThoughts: true });
    expect(write({}, NEW)).toBeUndefined();
  });

  test('is refused where it cannot be nothing', () => {
    for (const model of [NEW, 'gemini-2.5-pro', 'gemini-flash-latest']) {
      const work = () => write({ effort: 'none' }, model);
      expect(work).toThrow(RingsideError);
      expect(work).toThrow(expect.objectContaining({ param: 'reasoning_effort' }));
    }
    expect(write({ effort: 'none' }, NEW, true)).toEqual({ thinkingLevel: 'LOW' });
    expect(write({ budgetTokens: 0 }, 'gemini-2.5-pro', true)).toEqual({ thinkingBudget: 128 });
  });
});
