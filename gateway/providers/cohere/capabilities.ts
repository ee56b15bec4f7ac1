import type { Capabilities } from '../capabilities.ts';

/** What Cohere's Chat API v2 can express; whether a model can do it is another matter. */
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
  citations: true,
});

/** Where "true" is not the whole truth. */
export const LIMITS: readonly string[] = Object.freeze([
  'Documents are plain text; they stand beside the conversation, not where a turn had them, and are cited together or not at all.',
  'A cited document is cited as a whole; citations of results of tools are left out.',
  'Output formats go neither with tools nor with documents.',
  'Instructions stand at the beginning only.',
  'Of log probabilities there are the chosen tokens only.',
  'Parallel tool calls cannot be forbidden; tools are strict together or not at all.',
  'At most 5 stop sequences; penalties from 0 to 1; top-p is kept within 0.01 to 0.99.',
  'Thoughts are shown whenever there are any, and their tokens are not counted apart.',
  'Text beside tool calls is the tool plan.',
]);
