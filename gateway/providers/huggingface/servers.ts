import { writeImage } from '#translation/wires/openai/media.ts';
import type { OpenAiServer } from '#translation/wires/openai/server.ts';
import { COMPATIBLE } from '#translation/wires/openai/servers.ts';

/** The name of the only model that a TGI server has, whatever it was started with. */
export const TGI_MODEL = 'tgi';

const SHARED_KEYS: OpenAiServer['keys'] = {
  maxTokens: 'max_tokens',
  temperature: 'temperature',
  topP: 'top_p',
  seed: 'seed',
  stop: 'stop',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  logprobs: 'logprobs',
  topLogprobs: 'top_logprobs',
  toolChoice: 'tool_choice',
  output: 'response_format',
};

/**
 * The router of the Inference Providers (Hugging Face, Chat Completion task reference, read 2026-11). The upstream's model name may end in
 * `:provider`, `:fastest` or `:cheapest`; it goes as it is. What a provider behind it takes beyond this differs from one to the other.
 */
export const ROUTER: OpenAiServer = Object.freeze({
  ...COMPATIBLE,
  keys: { ...SHARED_KEYS, reasoning: 'reasoning_effort' },
  maxStops: 4,
  topLogprobsMax: 5,
  writeMedia: writeImageOnly,
} satisfies OpenAiServer);

/** Text Generation Inference's Messages API (its openapi.json and router sources, read 2026-11): what it lists as unused is left out here. */
export const TGI: OpenAiServer = Object.freeze({
  ...COMPATIBLE,
  keys: SHARED_KEYS,
  strict: false,
  efforts: [],
  reasoningField: null,
  maxStops: 4,
  topLogprobsMax: 5,
  writeMedia: writeImageOnly,
} satisfies OpenAiServer);

function writeImageOnly(...[part, refusals]: Parameters<OpenAiServer['writeMedia']>): object {
  if (part.type === 'image') return writeImage(part, refusals);
  if (part.type === 'document' && part.source.kind === 'text') {
    const { at, citations, source, title } = part;
    if (citations) refusals.setting(`${at}.citations`, 'does not cite documents');
    return { type: 'text', text: title === null ? source.text : `${title}\n\n${source.text}` };
  }
  return refusals.content(part.at, 'takes texts and images only');
}
