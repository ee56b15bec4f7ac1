import { decodeString, planScan, type ScanPlan, type Span, scanBody } from '#core/body-scan.ts';
import { RingsideError } from '#core/errors.ts';
import type { Operation } from '#core/names.ts';
import type { RequestTarget } from '../../chat/dialect.ts';
import type { Ingress, IngressRoute, KeyPlaces, ParsedRequest } from '../ingress.ts';
import { keyHeader } from '../key-places.ts';
import { geminiDialect } from './dialect.ts';
import { geminiEmbeddings } from './embeddings.ts';
import { errorBody, errorEvent, keepAlive } from './errors.ts';
import { modelList } from './models.ts';
import { type GeminiMethod, parsePath } from './path.ts';
import { openReassembler } from './reassemble.ts';

const GOVERNED = ['model', 'generationConfig', 'generation_config'] as const;
const OPERATIONS: Readonly<Record<GeminiMethod, Operation>> = {
  generateContent: 'chat',
  streamGenerateContent: 'chat',
  countTokens: 'count-tokens',
  embedContent: 'embeddings',
  batchEmbedContents: 'embeddings',
};
/** ProtoJSON reads null as "not there". */
const NULL = Buffer.from('null');
const fromHeader = keyHeader('x-goog-api-key');

/** Gemini's API: the model and the method stand in the path. */
export const gemini: Ingress = {
  name: 'gemini',
  planRequest: (refusedKeys) => planScan([...GOVERNED, ...refusedKeys]),
  parseRequest,
  authorization: authorizationOf,
  chat: geminiDialect,
  embeddings: geminiEmbeddings,
  openReassembler,
  errorBody,
  errorEvent,
  keepAlive,
  modelList,
  requestIdHeader: null,
};

/** What a POST to a path asks for; undefined where it is none of Gemini's. */
export function findGeminiRoute(path: string, query: string): IngressRoute | undefined {
  const found = parsePath(path, query);
  return found === null ? undefined : { ingress: gemini, operation: OPERATIONS[found.method], target: found.target };
}

/** `x-goog-api-key`, else `?key=`, else `Authorization`. */
function authorizationOf(places: KeyPlaces): string | undefined {
  const key = places.headers['x-goog-api-key'] === undefined ? new URLSearchParams(places.query).get('key') : null;
  return key === null || key === '' ? fromHeader(places) : `Bearer ${key}`;
}

/** Finds the keys by which an upstream would route by itself: at the top, and in the `generationConfig`. */
function parseRequest(body: Buffer, plan: ScanPlan, _: Operation, target: RequestTarget): ParsedRequest {
  const [modelSpan, ...configs] = scan(body, plan);
  const refused = new Set(refusedIn(plan, configs.slice(GOVERNED.length - 1)));
  for (const config of configs.slice(0, GOVERNED.length - 1)) {
    if (config === undefined || body[config.start] !== 0x7b) continue;
    const inside = scan(body.subarray(config.start, config.end), plan);
    for (const key of refusedIn(plan, inside.slice(GOVERNED.length))) refused.add(key);
  }
  const model = target.model ?? '';
  return {
    model,
    modelSpan: null,
    stream: target.stream === true,
    user: null,
    metadata: null,
    hideUsage: false,
    insertion: modelSpan === undefined ? null : { span: checkModel(body, modelSpan, model), text: NULL },
    refused: [...refused],
  };
}

function scan(body: Buffer, plan: ScanPlan): readonly (Span | undefined)[] {
  const result = scanBody(body, plan);
  if (result.kind === 'ok') return result.spans;
  throw new RingsideError('bad_request', result.message, result.param === null ? {} : { param: result.param });
}

function refusedIn(plan: ScanPlan, spans: readonly (Span | undefined)[]): string[] {
  return plan.keys.slice(GOVERNED.length).filter((_, index) => spans[index] !== undefined);
}

/** The path names the group; a body that names another one as well is not to be guessed at. */
function checkModel(body: Buffer, span: Span, model: string): Span {
  const named = decodeString(body, span);
  const isNull = body.toString('latin1', span.start, span.end) === 'null';
  if (isNull || named?.replace(/^models\//, '') === model) return span;
  throw new RingsideError('bad_request', '"model" names another model than the path.', { param: 'model' });
}
