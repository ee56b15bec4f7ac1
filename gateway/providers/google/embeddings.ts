import { RingsideError } from '#core/errors.ts';
import { readVectors, textsOf } from '#translation/embeddings/read-vectors.ts';
import type { EmbeddingsTask } from '#translation/embeddings/request.ts';
import type { EmbeddingsTranslation } from '#translation/embeddings/translation.ts';
import { isRecord, parseRecord } from '#translation/wires/exact-json.ts';
import { resourceName } from './model-names.ts';
import { readUsage } from './usage.ts';

const TASK_TYPES: Readonly<Record<EmbeddingsTask, string>> = {
  query: 'RETRIEVAL_QUERY',
  document: 'RETRIEVAL_DOCUMENT',
  classification: 'CLASSIFICATION',
  clustering: 'CLUSTERING',
  similarity: 'SEMANTIC_SIMILARITY',
};

/** Gemini's `batchEmbedContents` (Gemini API reference, Embeddings, read 2026-11), for one text, too. Vertex AI has no such method. */
export const googleEmbeddings: EmbeddingsTranslation = {
  head: 'batchEmbedContents',
  writeRequest(request, { upstreamModel }, refusals) {
    const { dimensions, task } = request;
    const shared = {
      model: resourceName(upstreamModel),
      ...(task === null ? {} : { taskType: TASK_TYPES[task] }),
      ...(dimensions === null ? {} : { outputDimensionality: dimensions }),
    };
    const requests = textsOf(request, refusals).map((text) => ({ ...shared, content: { parts: [{ text }] } }));
    return Buffer.from(JSON.stringify({ requests }));
  },
  readReply(body) {
    const reply = parseRecord(body.toString('utf8'));
    if (reply === null || !Array.isArray(reply['embeddings'])) {
      throw new RingsideError('upstream_protocol', 'The upstream sent no list of embeddings.');
    }
    return {
      model: null,
      vectors: readVectors(reply['embeddings'].map((item) => (isRecord(item) ? item['values'] : null))),
      inputTokens: readUsage(reply['usageMetadata'])?.inputTokens ?? null,
    };
  },
};
