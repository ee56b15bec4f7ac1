import { embeddingsOf } from '#translation/wires/openai/embeddings.ts';

/** Embeddings for callers of other dialects (OpenAI's API reference, read 2026-11). */
export const openaiEmbeddings = embeddingsOf({ dimensions: 'dimensions', takesTokens: true });
