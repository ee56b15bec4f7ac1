import type { Behaviour } from '../../behaviour.ts';

/** How long an answer of one choice is: what is shown, what is thought, and whether the caller's limit ended it. */
export interface AnswerLength {
  readonly shownTokens: number;
  readonly reasoningTokens: number;
  readonly finishReason: 'stop' | 'length';
}

/** Fits an answer under the caller's limit; reasoning counts against it first, as OpenAI's does. */
export function fitLength(answerTokens: number, reasoningTokens: number, maxTokens: number | null): AnswerLength {
  const limit = maxTokens ?? Number.POSITIVE_INFINITY;
  const reasoning = Math.min(reasoningTokens, limit);
  const shown = Math.min(answerTokens, limit - reasoning);
  return { shownTokens: shown, reasoningTokens: reasoning, finishReason: shown < answerTokens ? 'length' : 'stop' };
}

/** OpenAI's usage object; undefined where the behaviour sends none. */
export function usageOf(behaviour: Behaviour, promptTokens: number, choices: number, length: AnswerLength) {
  if (behaviour.usage === 'missing') return undefined;
  const on = behaviour.usage === 'zero' ? 0 : 1;
  const prompt = promptTokens * on;
  const completion = (length.shownTokens + length.reasoningTokens) * choices * on;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: Math.min(behaviour.cachedPromptTokens, prompt), audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: length.reasoningTokens * choices * on,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
