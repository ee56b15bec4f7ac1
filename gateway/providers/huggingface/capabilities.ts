import type { Capabilities } from '../capabilities.ts';

/** What Hugging Face's chat completions can express; whether a model, or the provider that runs it, can do it is another matter. */
export const CAPABILITIES: Capabilities = Object.freeze({
  plain: true,
  stream: true,
  tools: true,
  parallelTools: true,
  toolResult: true,
  vision: true,
  documents: true,
  audioInput: false,
  jsonSchema: true,
  reasoning: true,
  stop: true,
  maxTokens: true,
  seed: true,
  logprobs: true,
  candidates: false,
  promptCache: false,
  citations: false,
});

/** Where "true" is not the whole truth. */
export const LIMITS: readonly string[] = Object.freeze([
  'Documents only where they are text, which they are sent as; results of tools are text.',
  'At most 4 stop sequences and 5 alternatives per token.',
  'Parallel tool calls can be neither asked for nor forbidden.',
  'With TGI (the model "tgi") reasoning cannot be set, schemas are never strict, and thoughts of earlier turns are left out.',
]);
