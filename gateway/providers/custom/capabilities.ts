import type { Capabilities } from '../capabilities.ts';

/** What a definition can express at most; which of it one does is what it declares. */
export const CAPABILITIES: Capabilities = Object.freeze({
  plain: true,
  stream: true,
  tools: true,
  parallelTools: true,
  toolResult: true,
  vision: true,
  documents: false,
  audioInput: false,
  jsonSchema: true,
  reasoning: true,
  stop: true,
  maxTokens: true,
  seed: true,
  logprobs: false,
  candidates: false,
  promptCache: false,
  citations: false,
});
