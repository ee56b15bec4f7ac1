import { decodePath } from '../../decode-path.ts';
import type { AnswerContext, Call, Dialect, Problem, RequestHead, Route } from '../../dialect.ts';
import { refuse } from './errors.ts';
import { readInfer } from './infer.ts';

const PREFIX = '/v2';
/** Other providers have other paths below `/v2`. */
const OWN = /^\/v2(?:$|\/(?:health|models|repository)(?:\/|$))/;
const MODEL = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(ready|infer))?$/;
const BEARER = /^bearer +(\S+)\s*$/i;

type Read = (body: unknown) => Call | Problem;

/** The Open Inference Protocol, version 2, as Triton and KServe serve it: tensors as JSON, and Triton's list of models. */
export const oipDialect: Dialect = {
  name: 'oip',
  route(head) {
    return OWN.test(head.path) ? findRoute(head) : undefined;
  },
  presentedKey: ({ headers }) => BEARER.exec(headers.authorization ?? '')?.[1],
  headers: () => ({}),
  refuse,
  // The protocol has no streams.
  streamError: (problem) => ({ data: refuse(problem).body, tokens: 0 }),
};

function findRoute({ method, path }: RequestHead): Route | Problem {
  const get = (read: Read): Route | Problem =>
    method === 'GET' ? { kind: 'route', takesBody: false, read } : { kind: 'wrong-method', method, path };
  const post = (read: Read): Route | Problem =>
    method === 'POST' ? { kind: 'route', takesBody: true, read } : { kind: 'wrong-method', method, path };
  switch (path) {
    case PREFIX:
      return get(() => say(null, { name: 'simulator', version: '2', extensions: ['model_repository'] }));
    case '/v2/health/live':
      return get(() => say(null, { live: true }));
    case '/v2/health/ready':
      return get(() => say(null, { ready: true }));
    case '/v2/repository/index':
      return post(() => listModels());
  }
  const match = MODEL.exec(path);
  const model = match === null ? undefined : decodePath(match[1]!);
  if (match === null || !model) return { kind: 'unknown-path', method, path };
  const version = match[2] === undefined ? undefined : decodePath(match[2]);
  switch (match[3]) {
    case 'infer':
      return post((body) => readInfer(model, version, body));
    case 'ready':
      return get(() => say(model, { name: model, ready: true }));
    default:
      return get(() => say(model, describe(model)));
  }
}

function describe(model: string): object {
  const any = { datatype: 'FP32', shape: [-1, -1] };
  return {
    name: model,
    versions: ['1'],
    platform: 'simulator',
    inputs: [{ name: 'input__0', ...any }],
    outputs: [{ name: 'output__0', ...any }],
  };
}

function listModels(): Call {
  const answer = ({ models }: AnswerContext) => ({
    kind: 'plain' as const,
    body: JSON.stringify(models().map((name) => ({ name, version: '1', state: 'READY', reason: '' }))),
    tokens: 0,
  });
  return { kind: 'call', model: null, stream: false, answer };
}

function say(model: string | null, body: object): Call {
  const text = JSON.stringify(body);
  return { kind: 'call', model, stream: false, answer: () => ({ kind: 'plain', body: text, tokens: 0 }) };
}
