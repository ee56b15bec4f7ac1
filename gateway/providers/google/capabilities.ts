import type { Capabilities } from '../capabilities.ts';

/** What chats with the Gemini API can express; the compatibility table of the docs is made from it. */
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
  seed: true,
  logprobs: true,
  candidates: true,
  /** Google caches by itself; marks in the prompt are left out. */
  promptCache: false,
  /** Of what the model recites; documents of the prompt are not cited. */
  citations: false,
});
