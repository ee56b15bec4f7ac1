import { decodePath } from '../../decode-path.ts';
import type { Call, Dialect, Problem, RequestHead, Route } from '../../dialect.ts';
import { readBatchEmbed, readCount, readEmbed } from './embed.ts';
import { refuse, streamError } from './errors.ts';
import { readGenerate } from './generate.ts';
import { getModel, listModels } from './models.ts';

/** The Gemini API, and Vertex AI, which has a project in front. `/v1` belongs to OpenAI's dialect here. */
const PATH =
  /^\/v1beta1?\/(?:projects\/[^/]+\/locations\/[^/]+\/publishers\/google\/)?models(?:\/([^/:]+(?::[^/:]+)*?))?(?::([A-Za-z]+))?$/;
const PREFIX = /^\/v1beta1?\//;
const BEARER = /^bearer +(\S+)\s*$/i;

type Read = (body: unknown) => Call | Problem;

function readerOf(method: string, model: string, query: string): Read | undefined {
  switch (method) {
    case 'generateContent':
      return (body) => readGenerate(body, model, 'plain');
    case 'streamGenerateContent': {
      const framing = new URLSearchParams(query).get('alt') === 'sse' ? 'sse' : 'json-array';
      return (body) => readGenerate(body, model, framing);
    }
    case 'countTokens':
      return (body) => readCount(body, model);
    case 'embedContent':
      return (body) => readEmbed(body, model);
    case 'batchEmbedContents':
      return (body) => readBatchEmbed(body, model);
    default:
      return undefined;
  }
}

function findRoute({ method, path, query }: RequestHead): Route | Problem {
  const [, name, action] = PATH.exec(path) ?? [];
  const model = name === undefined ? undefined : decodePath(name);
  if (method === 'GET' && PATH.test(path) && action === undefined) {
    const call = model === undefined ? listModels() : getModel(model);
    return { kind: 'route', takesBody: false, read: () => call };
  }
  const read = method === 'POST' && model && action ? readerOf(action, model, query) : undefined;
  return read === undefined ? { kind: 'unknown-path', method, path } : { kind: 'route', takesBody: true, read };
}

/** Google's Gemini API: generateContent, its stream in both framings, tokens, embeddings and models. */
export const geminiDialect: Dialect = {
  name: 'gemini',
  route: (head) => (PREFIX.test(head.path) ? findRoute(head) : undefined),
  presentedKey({ headers, query }) {
    const header = headers['x-goog-api-key'];
    if (typeof header === 'string') return header;
    return new URLSearchParams(query).get('key') ?? BEARER.exec(headers.authorization ?? '')?.[1];
  },
  headers: (_, latencyMs) => ({ 'server-timing': `gfet4t7; dur=${Math.round(latencyMs)}` }),
  refuse,
  streamError,
};
