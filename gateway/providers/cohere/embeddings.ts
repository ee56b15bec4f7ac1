import { readVectors, textsOf } from '#translation/embeddings/read-vectors.ts';
import type { EmbeddingsTask } from '#translation/embeddings/request.ts';
import type { EmbeddingsTranslation } from '#translation/embeddings/translation.ts';
import { objectOf, parseUpstream } from '#translation/wires/openai/json.ts';
import { count } from './chat-facts.ts';

const INPUT_TYPES: Readonly<Record<Exclude<EmbeddingsTask, 'similarity'>, string>> = {
  query: 'search_query',
  document: 'search_document',
  classification: 'classification',
  clustering: 'clustering',
};

/** Cohere's embeddings (its API reference, Embed API v2, read 2026-11). The purpose is required there: documents, where the caller did not say. */
export const cohereEmbeddings: EmbeddingsTranslation = {
  head: 'embed',
  writeRequest(request, { upstreamModel }, refusals) {
    const { dimensions, task, spelling } = request;
    if (task === 'similarity') refusals.setting(spelling.task, 'has no vectors that are made for similarity');
    return Buffer.from(
      JSON.stringify({
        model: upstreamModel,
        texts: textsOf(request, refusals),
        input_type: INPUT_TYPES[task === null || task === 'similarity' ? 'document' : task],
        embedding_types: ['float'],
        ...(dimensions === null ? {} : { output_dimension: dimensions }),
      }),
    );
  },
  readReply(body) {
    const reply = parseUpstream(body.toString('utf8'), 'embeddings');
    const billed = objectOf(objectOf(reply['meta'])['billed_units']);
    return {
      model: null,
      vectors: readVectors(objectOf(reply['embeddings'])['float']),
      inputTokens: count(billed['input_tokens']),
    };
  },
};
