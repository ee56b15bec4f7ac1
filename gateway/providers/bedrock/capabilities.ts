import type { Capabilities } from '../capabilities.ts';

/** What Converse can express; whether a model can do it is another matter. */
export const CAPABILITIES: Capabilities = Object.freeze({
  plain: true,
  stream: true,
  tools: true,
  parallelTools: true,
  toolResult: true,
  vision: true,
  documents: true,
  audioInput: true,
  jsonSchema: true,
  reasoning: true,
  stop: true,
  maxTokens: true,
  seed: false,
  logprobs: false,
  candidates: false,
  promptCache: true,
  citations: true,
});
