import { openaiNative } from '#gateway/wires/openai/native.ts';
import { readError } from '#translation/wires/openai/errors.ts';
import { readModels } from '#translation/wires/openai/models.ts';
import { readReply } from '#translation/wires/openai/reply.ts';
import { writeRequest } from '#translation/wires/openai/request.ts';
import { COMPATIBLE } from '#translation/wires/openai/servers.ts';
import { openReader } from '#translation/wires/openai/stream.ts';
import { bindTarget } from '../bind-target.ts';
import { FEATURES } from '../capabilities.ts';
import type { ProviderAdapter } from '../provider.ts';

const PATHS = { chat: '/chat/completions', completions: '/completions', embeddings: '/embeddings' };
const CANNOT = ['promptCache', 'citations'];

/** The simulator in OpenAI's dialect; `baseUrl` ends in `/v1`. */
export const adapter: ProviderAdapter = {
  kind: 'simulator',
  bind: (deployment, credentials, defaults) =>
    bindTarget(deployment, credentials, defaults, {
      paths: PATHS,
      authorization: credentials.apiKey === undefined ? {} : { authorization: `Bearer ${credentials.apiKey}` },
    }),
  natives: { 'openai-chat': openaiNative },
  chat: {
    heads: { plain: 'chat', stream: 'chat' },
    streamTypes: ['text/event-stream'],
    writeRequest: (request, model, refusals) => writeRequest(request, model, refusals, COMPATIBLE),
    readReply,
    openReader,
  },
  capabilities: Object.freeze(
    Object.fromEntries(FEATURES.map((feature) => [feature, !CANNOT.includes(feature)])),
  ) as ProviderAdapter['capabilities'],
  limits: [],
  models: { method: 'GET', path: '/models', read: readModels },
  readError,
};
