import { embeddingsOf } from '#translation/wires/openai/embeddings.ts';

/** Mistral's embeddings (its API reference, read 2026-11): OpenAI's, with another word for the dimensions, and of texts only. */
export const mistralEmbeddings = embeddingsOf({ dimensions: 'output_dimension', takesTokens: false });
