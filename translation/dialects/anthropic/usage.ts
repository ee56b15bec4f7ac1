import { type ChatUsage, NO_USAGE } from '../../chat/reply.ts';
import type { JsonObject } from '../../chat/request.ts';

/**
 * Usage in Anthropic's words. Its `input_tokens` leaves out what was read from or written to a cache, ours do not. It requires the two
 * totals: what is not known is 0 there, and null in the fields that allow it.
 */
export function writeUsage(usage: ChatUsage | null): JsonObject {
  return {
    input_tokens: freshInput(usage ?? NO_USAGE) ?? 0,
    cache_creation_input_tokens: usage?.cacheWriteTokens ?? null,
    cache_read_input_tokens: usage?.cachedTokens ?? null,
    cache_creation: null,
    output_tokens: usage?.outputTokens ?? 0,
    output_tokens_details: outputDetails(usage),
    server_tool_use: null,
    service_tier: null,
    inference_geo: null,
    speed: null,
  };
}

/** The totals in the last event but one of a stream: what is not known leaves standing what the first event said. */
export function writeDeltaUsage(usage: ChatUsage | null): JsonObject {
  return {
    input_tokens: freshInput(usage ?? NO_USAGE),
    cache_creation_input_tokens: usage?.cacheWriteTokens ?? null,
    cache_read_input_tokens: usage?.cachedTokens ?? null,
    output_tokens: usage?.outputTokens ?? 0,
    output_tokens_details: outputDetails(usage),
    server_tool_use: null,
  };
}

function freshInput({ inputTokens, cachedTokens, cacheWriteTokens }: ChatUsage): number | null {
  if (inputTokens === null) return null;
  return Math.max(0, inputTokens - (cachedTokens ?? 0) - (cacheWriteTokens ?? 0));
}

function outputDetails(usage: ChatUsage | null): JsonObject | null {
  const thinking = usage?.reasoningTokens ?? null;
  return thinking === null ? null : { thinking_tokens: thinking };
}
