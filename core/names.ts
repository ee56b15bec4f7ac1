import { z } from 'zod';

/** Names of providers, models, groups and keys: what can stand in a URL path and in the `model` field of a request. */
export const nameSchema = z
  .string()
  .min(1)
  .max(128)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._:@-]*$/,
    'starts with a letter or digit and holds letters, digits and . _ : @ - only',
  );

/** Provider kinds that have an adapter. */
export const PROVIDER_KINDS = [
  'openai',
  'anthropic',
  'google',
  'azure-openai',
  'bedrock',
  'cohere',
  'mistral',
  'huggingface',
  'oip',
  'custom',
  'simulator',
] as const;
export type ProviderKind = (typeof PROVIDER_KINDS)[number];

/** The APIs in which applications call the gateway. `openai`: what OpenAI has beside its chats and responses. */
export const DIALECTS = ['openai-chat', 'openai-responses', 'openai', 'anthropic', 'gemini', 'oip'] as const;
export type DialectName = (typeof DIALECTS)[number];

/** The endpoints whose inferences are governed and recorded. A chat is one in whatever dialect it comes. */
export const OPERATIONS = [
  'chat',
  'completions',
  'embeddings',
  'count-tokens',
  'infer',
  'moderations',
  'rerank',
  'image-generations',
  'image-edits',
  'image-variations',
  'speech',
  'transcriptions',
  'translations',
] as const;
export type Operation = (typeof OPERATIONS)[number];
