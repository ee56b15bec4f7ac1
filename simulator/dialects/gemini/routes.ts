import { decodePath } from '../../decode-path.ts';
import type { Call, Dialect, Problem, RequestHead, Route } from '../../dialect.ts';
import { readBatchEmbed, readCount, readEmbed } from './embed.ts';
import { refuse, streamError } from './errors.ts';
import { readGenerate } from './generate.ts';
import { getModel, listModels } from './models.ts';

/** The Gemini API, and Vertex AI, which has a project in front. */
const PATH =
  /^\/v1(?:beta1?)?\/(projects\/[^/]+\/locations\/[^/]+\/publishers\/google\/)?models(?:\/([^/:]+(?::[^/:]+)*?))?(?::([A-Za-z]+))?$/;
const BETA = /^\/v1beta1?\//;
const METHODS = new Set([
  ...['generateContent', 'streamGenerateContent', 'countTokens', 'embedContent', 'batchEmbedContents'],
]);
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
  const [, , name, action] = PATH.exec(path) ?? [];
  const model = name === undefined ? undefined : decodePath(name);
  if (method === 'GET' && PATH.test(path) && action === undefined) {
    const call = model === undefined ? listModels() : getModel(model);
    return { kind: 'route', takesBody: false, read: () => call };
  }
  const read = method === 'POST' && model && action ? readerOf(action, model, query) : undefined;
  return read === undefined ? { kind: 'unknown-path', method, path } : { kind: 'route', takesBody: true, read };
}

/** Below `/v1`, most of which is OpenAI's, only what cannot be its: a method behind a model, a project, a list that is asked for with Google's key. */
function isOurs({ path, headers }: RequestHead): boolean {
  if (BETA.test(path)) return true;
  const match = PATH.exec(path);
  if (match === null) return false;
  const [, project, , action = ''] = match;
  return project !== undefined || METHODS.has(action) || (action === '' && headers['x-goog-api-key'] !== undefined);
}

/** Google's Gemini API: generateContent, its stream in both framings, tokens, embeddings and models. */
export const geminiDialect: Dialect = {
  name: 'gemini',
  route: (head) => (isOurs(head) ? findRoute(head) : undefined),
  presentedKey({ headers, query }) {
    const header = headers['x-goog-api-key'];
    if (typeof header === 'string') return header;
    return new URLSearchParams(query).get('key') ?? BEARER.exec(headers.authorization ?? '')?.[1];
  },
  headers: (_, latencyMs) => ({ 'server-timing': `gfet4t7; dur=${Math.round(latencyMs)}` }),
  refuse,
  streamError,
};
