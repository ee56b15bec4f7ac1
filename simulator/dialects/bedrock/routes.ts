import { decodePath } from '../../decode-path.ts';
import type { Call, Dialect } from '../../dialect.ts';
import { drawText } from '../../random.ts';
import { readCall } from './converse.ts';
import { refuse, streamError } from './errors.ts';
import { checkKey } from './signature.ts';

const CONVERSE = /^\/model\/([^/]+)\/(converse|converse-stream)$/;
const MODELS_PATH = '/foundation-models';
const ACCESS_KEY = /Credential=([^/]+)\//;

/** The Amazon Bedrock Runtime: Converse and ConverseStream, and of Bedrock's control plane the list of models. */
export const bedrockDialect: Dialect = {
  name: 'bedrock',
  route({ method, path }) {
    if (path === MODELS_PATH) {
      if (method !== 'GET') return { kind: 'wrong-method', method, path };
      return { kind: 'route', takesBody: false, read: () => listModels() };
    }
    const match = CONVERSE.exec(path);
    if (match === null) return undefined;
    const model = decodePath(match[1]!);
    if (!model) return { kind: 'unknown-path', method, path };
    if (method !== 'POST') return { kind: 'wrong-method', method, path };
    return {
      kind: 'route',
      takesBody: true,
      read: (body) => readCall(model, match[2] === 'converse-stream', body),
    };
  },
  presentedKey: ({ headers }) => ACCESS_KEY.exec(headers.authorization ?? '')?.[1],
  checkKey,
  headers: (random) => ({ 'x-amzn-requestid': drawText(random, 36).toLowerCase() }),
  refuse,
  streamError,
};

function listModels(): Call {
  return {
    kind: 'call',
    model: null,
    stream: false,
    answer: ({ models }) => {
      const modelSummaries = models().map((id) => ({
        modelArn: `arn:aws:bedrock:us-east-1::foundation-model/${id}`,
        modelId: id,
        modelName: id,
        providerName: 'Simulator',
        inputModalities: ['TEXT', 'IMAGE'],
        outputModalities: ['TEXT'],
        responseStreamingSupported: true,
        modelLifecycle: { status: 'ACTIVE' },
      }));
      return { kind: 'plain', body: JSON.stringify({ modelSummaries }), tokens: 0 };
    },
  };
}
