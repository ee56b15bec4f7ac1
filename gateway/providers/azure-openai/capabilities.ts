import type { Capabilities } from '../capabilities.ts';

/** What chat completions at Azure can express; whether a deployment can do it is another matter. */
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
  promptCache: false,
  citations: false,
});

/** Where "true" is not the whole truth. */
export const LIMITS: readonly string[] = Object.freeze([
  'As OpenAI: documents are PDF, recordings WAV or MP3, results of tools text; thoughts are set by an effort and not shown.',
  'What the content filters found is not passed on; a prompt that they stop is a 400 that names them, an answer ends with the finish reason content_filter.',
  'The models that are listed are those of the resource, not its deployments.',
]);
