import { decodePath } from '../../decode-path.ts';
import type { Call, Dialect, Problem, RequestHead, Route } from '../../dialect.ts';
import { drawText } from '../../random.ts';
import { refuse } from './errors.ts';
import { readCount, readMessages } from './messages.ts';
import { getModel, listModels } from './models.ts';
import { NEWEST_VERSION } from './rules.ts';

const MESSAGES = '/v1/messages';
const MODELS = '/v1/models';
const VERSIONS: ReadonlySet<unknown> = new Set([NEWEST_VERSION, '2023-06-01', '2023-01-01']);

/** Limits that are never reached, as they stand on every answer. */
const RATE_LIMITS = Object.freeze({
  'anthropic-ratelimit-requests-limit': '4000',
  'anthropic-ratelimit-requests-remaining': '3999',
  'anthropic-ratelimit-input-tokens-limit': '2000000',
  'anthropic-ratelimit-input-tokens-remaining': '2000000',
  'anthropic-ratelimit-output-tokens-limit': '400000',
  'anthropic-ratelimit-output-tokens-remaining': '400000',
});

/** The Messages API: messages, their token counts, and models (which have OpenAI's path: the version's header tells them apart). */
export const anthropicDialect: Dialect = {
  name: 'anthropic',
  route(head) {
    if (!isOurs(head)) return undefined;
    const found = findRoute(head);
    if (found.kind !== 'route') return found;
    if (presentedKey(head) === undefined) return { kind: 'missing-api-key' };
    const version = head.headers['anthropic-version'];
    if (VERSIONS.has(version)) return found;
    const message = `anthropic-version: ${version === undefined ? 'header is required' : 'is not a valid version'}`;
    return { kind: 'bad-request', message, field: 'anthropic-version', missing: version === undefined };
  },
  presentedKey,
  headers: (random) => ({
    'request-id': `req_${drawText(random, 24)}`,
    'anthropic-organization-id': '00000000-0000-4000-8000-000000000000',
    ...RATE_LIMITS,
  }),
  refuse,
  streamError: (problem) => ({ event: 'error', data: refuse(problem).body, tokens: 0 }),
};

/** `x-api-key`, or the token of `Authorization`, which the official SDKs can send instead. */
function presentedKey({ headers }: RequestHead): string | undefined {
  const key = headers['x-api-key'];
  return typeof key === 'string' ? key : /^bearer +(\S+)\s*$/i.exec(headers.authorization ?? '')?.[1];
}

function isOurs({ path, headers }: RequestHead): boolean {
  if (path === MESSAGES || path.startsWith(`${MESSAGES}/`)) return true;
  const isModels = path === MODELS || path.startsWith(`${MODELS}/`);
  return isModels && headers['anthropic-version'] !== undefined;
}

function findRoute({ method, path, headers }: RequestHead): Route | Problem {
  const post = (read: (body: unknown) => Call | Problem): Route | Problem =>
    method === 'POST' ? { kind: 'route', takesBody: true, read } : { kind: 'wrong-method', method, path };
  const get = (call: Call): Route | Problem =>
    method === 'GET' ? { kind: 'route', takesBody: false, read: () => call } : { kind: 'wrong-method', method, path };
  switch (path) {
    case MESSAGES:
      return post((body) => readMessages(body, headers['anthropic-version']));
    case `${MESSAGES}/count_tokens`:
      return post(readCount);
    case MODELS:
      return get(listModels());
    default: {
      const id = path.startsWith(`${MODELS}/`) ? decodePath(path.slice(MODELS.length + 1)) : undefined;
      return id ? get(getModel(id)) : { kind: 'unknown-path', method, path };
    }
  }
}
