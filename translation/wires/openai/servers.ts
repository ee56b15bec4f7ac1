import { REASONING_EFFORTS } from '../../chat/request.ts';
import { writeMedia } from './media.ts';
import type { OpenAiServer } from './server.ts';

/**
 * OpenAI itself (API reference, Create chat completion, read 2026-11). Instructions go as `system`: it takes them as `developer`
 * for models that know that role, while servers that speak its API know `system` alone.
 */
export const OPENAI: OpenAiServer = Object.freeze({
  keys: {
    maxTokens: 'max_completion_tokens',
    temperature: 'temperature',
    topP: 'top_p',
    seed: 'seed',
    stop: 'stop',
    frequencyPenalty: 'frequency_penalty',
    presencePenalty: 'presence_penalty',
    logitBias: 'logit_bias',
    logprobs: 'logprobs',
    topLogprobs: 'top_logprobs',
    candidates: 'n',
    toolChoice: 'tool_choice',
    parallelToolCalls: 'parallel_tool_calls',
    output: 'response_format',
    reasoning: 'reasoning_effort',
    user: 'user',
    promptCacheKey: 'prompt_cache_key',
    verbosity: 'verbosity',
    serviceTier: 'service_tier',
  },
  systemRole: 'system',
  contentParts: true,
  streamUsage: true,
  requiredToolChoice: 'required',
  allowedTools: true,
  strict: true,
  outputs: new Set(['json', 'json_schema']),
  efforts: REASONING_EFFORTS,
  showsReasoning: false,
  reasoningField: null,
  refusalField: true,
  serviceTiers: ['auto', 'default', 'flex', 'scale', 'priority', 'fast'],
  maxStops: 4,
  temperatureMax: 2,
  topLogprobsMax: 20,
  writeMedia,
} satisfies OpenAiServer);

/**
 * Servers that speak OpenAI's API (vLLM, llama.cpp, Ollama, DeepSeek and others): the older name of the limit, which all of them know, and
 * thoughts in the answer. `top_k` is vLLM's, llama.cpp's and OpenRouter's.
 */
export const COMPATIBLE: OpenAiServer = Object.freeze({
  ...OPENAI,
  keys: { ...OPENAI.keys, maxTokens: 'max_tokens', topK: 'top_k' },
  showsReasoning: true,
  reasoningField: 'reasoning_content',
  refusalField: false,
  allowedTools: false,
  serviceTiers: null,
  maxStops: 16,
} satisfies OpenAiServer);
