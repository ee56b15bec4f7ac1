import type { Capabilities } from '../capabilities.ts';

/** What Mistral's chat completions can express; whether a model can do it is another matter. */
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
  logprobs: false,
  candidates: true,
  promptCache: false,
  citations: false,
});

/** Where "true" is not the whole truth. */
export const LIMITS: readonly string[] = Object.freeze([
  'Reasoning effort is none or high.',
  'Temperature goes up to 1.5.',
  'A choice among tools is one tool or any; results of tools are text.',
  'Ids of tool calls that Mistral would refuse are hashed to nine letters and digits.',
  'An answer at the end of a conversation is one to go on with (`prefix`).',
  'References in answers, which are numbers of a search result, are left out.',
]);
