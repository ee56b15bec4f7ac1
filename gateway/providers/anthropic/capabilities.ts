import type { Capabilities } from '../capabilities.ts';

/** What the Messages API can express of a chat. False: refused with 400, naming the parameter. */
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
  seed: false,
  logprobs: false,
  candidates: false,
  promptCache: true,
  citations: true,
});
