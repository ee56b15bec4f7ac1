import { RingsideError } from '#core/errors.ts';
import type { Refusals } from '../../chat/refusals.ts';
import { readVectors, textsOf } from '../../embeddings/read-vectors.ts';
import type { EmbeddingsReply, EmbeddingsRequest } from '../../embeddings/request.ts';
import type { EmbeddingsTranslation } from '../../embeddings/translation.ts';
import { isObject, objectOf, parseUpstream, textOf } from './json.ts';

/** What one server of OpenAI's embeddings API knows, and how it spells it. */
export interface EmbeddingsServer {
  readonly dimensions: string;
  /** Whether it takes numbers of tokens. */
  readonly takesTokens: boolean;
}

/** Embeddings of a server that speaks OpenAI's API. None of them is told what the vectors are for. */
export function embeddingsOf(server: EmbeddingsServer): EmbeddingsTranslation {
  return {
    head: 'embeddings',
    writeRequest(request, { upstreamModel }, refusals) {
      const { dimensions, task, spelling } = request;
      if (task !== null) refusals.setting(spelling.task, 'cannot be told what the vectors are for');
      return Buffer.from(
        JSON.stringify({
          model: upstreamModel,
          input: inputOf(request, server, refusals),
          ...(dimensions === null ? {} : { [server.dimensions]: dimensions }),
          encoding_format: 'float',
        }),
      );
    },
    readReply,
  };
}

function inputOf(request: EmbeddingsRequest, { takesTokens }: EmbeddingsServer, refusals: Refusals): unknown[] {
  if (!takesTokens) return textsOf(request, refusals);
  return request.inputs.map((input) => (input.kind === 'text' ? input.text : input.tokens));
}

function readReply(body: Buffer): EmbeddingsReply {
  const reply = parseUpstream(body.toString('utf8'), 'embeddings');
  const { data, usage } = reply;
  if (!Array.isArray(data)) throw new RingsideError('upstream_protocol', 'The upstream sent no list of embeddings.');
  const items = data.map((item, place) => {
    const { index, embedding } = objectOf(item);
    return { index: typeof index === 'number' ? index : place, embedding };
  });
  items.sort((a, b) => a.index - b.index);
  const tokens = isObject(usage) ? usage['prompt_tokens'] : null;
  return {
    model: textOf(reply['model']),
    vectors: readVectors(items.map(({ embedding }) => embedding)),
    inputTokens: typeof tokens === 'number' && Number.isSafeInteger(tokens) && tokens >= 0 ? tokens : null,
  };
}
