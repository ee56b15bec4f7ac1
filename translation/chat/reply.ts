import type { ModelPart } from './parts.ts';

/** Why a model stopped. */
export const FINISH_REASONS = [
  'stop',
  'stop_sequence',
  'length',
  'tool_calls',
  'content_filter',
  'refusal',
  /** The provider paused a long turn, which goes on if it is sent back as it is. */
  'pause',
  'malformed_tool_call',
  'other',
] as const;
export type FinishReason = (typeof FINISH_REASONS)[number];

/** Tokens as a provider reported them. Null is "not said", which is not zero. */
export interface ChatUsage {
  /** All of the prompt, what was read from and written to a cache included. */
  readonly inputTokens: number | null;
  /** All that was generated, thoughts included. */
  readonly outputTokens: number | null;
  /** Of the input: read from a cache. */
  readonly cachedTokens: number | null;
  /** Of the input: written to a cache. */
  readonly cacheWriteTokens: number | null;
  /** Of the output: thoughts. */
  readonly reasoningTokens: number | null;
  readonly audioInputTokens: number | null;
  readonly audioOutputTokens: number | null;
}

export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
  readonly top: readonly {
    readonly token: string;
    readonly logprob: number;
    readonly bytes: readonly number[] | null;
  }[];
}

export interface Candidate {
  readonly index: number;
  /** In the order in which the model made them. Their `at` is empty: nobody refuses an answer. */
  readonly parts: readonly ModelPart[];
  readonly finish: FinishReason | null;
  /** The text that ended it, for `stop_sequence`, where the provider says. */
  readonly stopSequence: string | null;
  readonly logprobs: readonly TokenLogprob[] | null;
}

/** A whole answer, whatever provider it came from. */
export interface ChatReply {
  /** The provider's id of it. */
  readonly id: string | null;
  /** The provider's name of the model that answered. */
  readonly model: string | null;
  readonly candidates: readonly Candidate[];
  readonly usage: ChatUsage | null;
  /** The provider's own word for the first candidate's end, as the log keeps it. */
  readonly rawFinish: string | null;
}

export const NO_USAGE: ChatUsage = Object.freeze({
  inputTokens: null,
  outputTokens: null,
  cachedTokens: null,
  cacheWriteTokens: null,
  reasoningTokens: null,
  audioInputTokens: null,
  audioOutputTokens: null,
});
