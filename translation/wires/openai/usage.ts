import type { ChatUsage } from '../../chat/reply.ts';
import { isObject, objectOf } from './json.ts';

/** OpenAI's usage object in our words; null unless it is an object. Zero stays zero, missing stays null. */
export function readUsage(usage: unknown): ChatUsage | null {
  if (!isObject(usage)) return null;
  const input = objectOf(usage['prompt_tokens_details']);
  const output = objectOf(usage['completion_tokens_details']);
  return {
    inputTokens: count(usage['prompt_tokens']),
    outputTokens: count(usage['completion_tokens']),
    // DeepSeek's name for it stands beside the details.
    cachedTokens: count(input['cached_tokens']) ?? count(usage['prompt_cache_hit_tokens']),
    cacheWriteTokens: count(input['cache_write_tokens']),
    reasoningTokens: count(output['reasoning_tokens']),
    audioInputTokens: count(input['audio_tokens']),
    audioOutputTokens: count(output['audio_tokens']),
  };
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
