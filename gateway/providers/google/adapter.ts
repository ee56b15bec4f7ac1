import { foreignMarks } from '../foreign-marks.ts';
import type { NativeWire, ProviderAdapter } from '../provider.ts';
import { CAPABILITIES } from './capabilities.ts';
import { googleChat } from './chat.ts';
import { googleEmbeddings } from './embeddings.ts';
import { readError } from './errors.ts';
import { renameModels } from './model-names.ts';
import { MODELS } from './models.ts';
import { readReply } from './reply.ts';
import { bind, REFUSED_KEYS } from './request.ts';
import { openStream } from './stream.ts';

const EVENT_STREAM = /^text\/event-stream\b/i;
const JSON_TYPE = /^application\/json\b/i;

const gemini: NativeWire = {
  refusedKeys: REFUSED_KEYS,
  forwardedHeaders: [],
  headName(operation, stream, framing, isBatch) {
    if (operation === 'count-tokens') return 'countTokens';
    if (operation === 'embeddings') return isBatch ? 'batchEmbedContents' : 'embedContent';
    if (operation !== 'chat') return operation;
    if (!stream) return 'generateContent';
    return framing === 'sse' ? 'streamEvents' : 'streamArray';
  },
  isStream: (contentType, framing) => (framing === 'sse' ? EVENT_STREAM : JSON_TYPE).test(contentType),
  readReply,
  openStream: (_, framing) => openStream(framing),
  // `rs1` in base64: see translation/dialects/gemini/signatures.ts.
  isForeign: foreignMarks('"cnMx', /"thought(?:S|_s)ignature"\s*:\s*$/),
  rewriteBody: (operation, body, upstreamModel) => (operation === 'chat' ? null : renameModels(body, upstreamModel)),
};

/** Google's models: the Gemini API, and Gemini on Vertex AI. */
export const adapter: ProviderAdapter = {
  kind: 'google',
  bind,
  natives: { gemini },
  chat: googleChat,
  embeddings: googleEmbeddings,
  capabilities: CAPABILITIES,
  limits: [],
  models: MODELS,
  readError,
};
