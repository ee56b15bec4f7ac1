import type { ChatUsage } from '#translation/chat/reply.ts';
import type { JsonObject } from '#translation/chat/request.ts';

/**
 * Anthropic's usage in our words; null unless it is an object. Its `input_tokens` leaves out what was read from or written to a
 * cache, our total does not.
 */
export function readChatUsage(usage: unknown): ChatUsage | null {
  if (typeof usage !== 'object' || usage === null) return null;
  const fields = usage as JsonObject;
  const fresh = count(fields['input_tokens']);
  const cachedTokens = count(fields['cache_read_input_tokens']);
  const cacheWriteTokens = count(fields['cache_creation_input_tokens']);
  const details = fields['output_tokens_details'] as JsonObject | null | undefined;
  return {
    inputTokens: fresh === null ? null : fresh + (cachedTokens ?? 0) + (cacheWriteTokens ?? 0),
    outputTokens: count(fields['output_tokens']),
    cachedTokens,
    cacheWriteTokens,
    reasoningTokens: count(details?.['thinking_tokens']),
    audioInputTokens: null,
    audioOutputTokens: null,
  };
}

/** A later event's usage over an earlier one's: its totals are cumulative, and what it does not say still holds. */
export function mergeUsage(earlier: JsonObject | null, later: unknown): JsonObject | null {
  if (typeof later !== 'object' || later === null) return earlier;
  const said = Object.entries(later).filter(([, value]) => value !== null);
  return { ...earlier, ...Object.fromEntries(said) };
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : null;
}
