import { RingsideError } from '#core/errors.ts';
import type { EmbeddingsRequest } from '#translation/embeddings/request.ts';
import type { EmbeddingsDialect, EmbeddingsTranslation } from '#translation/embeddings/translation.ts';
import type { Answering } from './answering.ts';

/** 2 048 vectors of 3 072 numbers, as some providers write them. */
const MAX_WHOLE_BYTES = 128 * 1_048_576;

/** The upstream speaks another dialect: its vectors are read and written anew. */
export function answerEmbeddings(
  dialect: EmbeddingsDialect,
  translation: EmbeddingsTranslation,
  request: EmbeddingsRequest,
): Answering {
  return {
    isStream: () => false,
    takes: () => true,
    openStream() {
      throw new Error('embeddings are no stream');
    },
    readWhole(body) {
      const reply = translation.readReply(body);
      const [got, asked] = [reply.vectors.length, request.inputs.length];
      if (got !== asked) {
        throw new RingsideError('upstream_protocol', `The upstream sent ${got} vectors for ${asked} inputs.`);
      }
      const usage =
        reply.inputTokens === null
          ? null
          : { inputTokens: reply.inputTokens, outputTokens: null, cachedTokens: null, reasoningTokens: null };
      return { body: Buffer.from(dialect.writeReply(reply, request)), facts: { usage, finishReason: null } };
    },
    streamType: null,
    wholeType: 'application/json',
    mayPass: false,
    maxWholeBytes: MAX_WHOLE_BYTES,
  };
}
