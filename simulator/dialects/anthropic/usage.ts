import type { Behaviour } from '../../behaviour.ts';
import type { PlannedUsage } from '../../plan.ts';

/** What of a prompt lies behind the last mark, when anything is marked at all: it is neither read from nor written to the cache. */
const UNMARKED_TOKENS = 3;

/** Anthropic's usage object; undefined where the behaviour sends none. Its three kinds of input add up to the prompt. */
export function usageOf(planned: PlannedUsage, marksCache: boolean, mode: Behaviour['usage']) {
  if (mode === 'missing') return undefined;
  const on = mode === 'zero' ? 0 : 1;
  const uncached = planned.promptTokens - planned.cachedTokens;
  const written = marksCache ? Math.max(0, uncached - UNMARKED_TOKENS) : 0;
  return {
    input_tokens: (uncached - written) * on,
    cache_creation_input_tokens: written * on,
    cache_read_input_tokens: planned.cachedTokens * on,
    cache_creation: { ephemeral_5m_input_tokens: written * on, ephemeral_1h_input_tokens: 0 },
    output_tokens: planned.outputTokens * on,
    output_tokens_details: { thinking_tokens: planned.reasoningTokens * on },
    server_tool_use: null,
    service_tier: 'standard',
    inference_geo: null,
    speed: null,
  };
}

type Usage = ReturnType<typeof usageOf>;

/** In `message_start`: the input is known, of the output the first token. */
export function startUsage(usage: Usage) {
  return usage && { ...usage, output_tokens: Math.min(1, usage.output_tokens), output_tokens_details: null };
}

/** In `message_delta`: the totals. */
export function deltaUsage(usage: Usage) {
  if (usage === undefined) return undefined;
  const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens, ...rest } = usage;
  const { output_tokens_details, server_tool_use } = rest;
  return {
    input_tokens,
    cache_creation_input_tokens,
    cache_read_input_tokens,
    output_tokens,
    output_tokens_details,
    server_tool_use,
  };
}
