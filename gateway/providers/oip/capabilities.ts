import type { Capabilities } from '../capabilities.ts';

/** The protocol knows tensors and no chats. */
export const CAPABILITIES: Capabilities = Object.freeze({
  plain: false,
  stream: false,
  tools: false,
  parallelTools: false,
  toolResult: false,
  vision: false,
  documents: false,
  audioInput: false,
  jsonSchema: false,
  reasoning: false,
  stop: false,
  maxTokens: false,
  seed: false,
  logprobs: false,
  candidates: false,
  promptCache: false,
  citations: false,
});
