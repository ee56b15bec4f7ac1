import type { ChatUsage, TokenLogprob } from '../../chat/reply.ts';
import type { JsonRecord } from '../../wires/exact-json.ts';

/** Usage as Google counts it: thoughts apart from the candidates' tokens. What was not said stays unsaid. */
export function writeUsage(usage: ChatUsage | null): JsonRecord | undefined {
  if (usage === null) return undefined;
  const { inputTokens, outputTokens, cachedTokens, reasoningTokens, audioInputTokens, audioOutputTokens } = usage;
  return {
    promptTokenCount: inputTokens ?? undefined,
    candidatesTokenCount: outputTokens === null ? undefined : Math.max(0, outputTokens - (reasoningTokens ?? 0)),
    totalTokenCount: inputTokens === null || outputTokens === null ? undefined : inputTokens + outputTokens,
    cachedContentTokenCount: cachedTokens ?? undefined,
    thoughtsTokenCount: reasoningTokens ?? undefined,
    promptTokensDetails: details(audioInputTokens),
    candidatesTokensDetails: details(audioOutputTokens),
  };
}

function details(audioTokens: number | null): JsonRecord[] | undefined {
  return audioTokens === null ? undefined : [{ modality: 'AUDIO', tokenCount: audioTokens }];
}

/** A candidate's `logprobsResult`; undefined where there are none. */
export function writeLogprobs(logprobs: readonly TokenLogprob[] | null): JsonRecord | undefined {
  if (logprobs === null || logprobs.length === 0) return undefined;
  const write = ({ token, logprob }: { token: string; logprob: number }) => ({ token, logProbability: logprob });
  return {
    chosenCandidates: logprobs.map(write),
    topCandidates: logprobs.map(({ top }) => ({ candidates: top.map(write) })),
  };
}
