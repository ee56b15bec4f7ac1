import type { Behaviour } from '../../behaviour.ts';

/** How long an answer of one choice is: how much of it is shown, and whether the caller's limit ended it. */
export interface AnswerLength {
  readonly shownTokens: number;
  readonly finishReason: 'stop' | 'length';
}

/** Fits an answer under the caller's limit. */
export function fitLength(answerTokens: number, maxTokens: number | null): AnswerLength {
  const shown = Math.min(answerTokens, maxTokens ?? Number.POSITIVE_INFINITY);
  return { shownTokens: shown, finishReason: shown < answerTokens ? 'length' : 'stop' };
}

/** What all choices of an answer cost together. */
export interface Spent {
  /** Thoughts included. */
  readonly completionTokens: number;
  readonly reasoningTokens: number;
}

/** OpenAI's usage object; undefined where the behaviour sends none. */
export function usageOf(behaviour: Behaviour, promptTokens: number, { completionTokens, reasoningTokens }: Spent) {
  if (behaviour.usage === 'missing') return undefined;
  const on = behaviour.usage === 'zero' ? 0 : 1;
  const prompt = promptTokens * on;
  const completion = completionTokens * on;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: Math.min(behaviour.cachedPromptTokens, prompt), audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoningTokens * on,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
