import { createInferenceId, createRandomPool, groupHashOf } from '#core/ids.ts';
import type { BeginRecord, EndRecord } from '#inference-log/record.ts';

/** One small chat as the gateway logs it: 1 KB of request and 450 bytes of answer captured, one upstream call. */
export interface LoggedExchange {
  readonly id: string;
  readonly begin: BeginRecord;
  readonly end: EndRecord;
  readonly request: Uint8Array;
  readonly response: Uint8Array;
}

export interface ExchangeSource {
  readonly organizationId: string;
  readonly groupIds: readonly string[];
  readonly keyId: string;
}

const REQUEST_BYTES = 1_000;
const RESPONSE_BYTES = 450;
const WORDS =
  'please summarise the attached report in three short sentences and name every number that supports the claim of section two'.split(
    ' ',
  );

/** Makes exchanges whose ids, units, texts and timings all differ, spread over the groups. */
export function createExchangeMaker(source: ExchangeSource, nowMs: () => number): (index: number) => LoggedExchange {
  const random = createRandomPool();
  const hashes = source.groupIds.map(groupHashOf);
  return (index) => {
    const chosen = index % source.groupIds.length;
    const draw = Number.parseInt(random.hex().slice(0, 8), 16);
    const variant = draw % 10 === 0 ? 'challenger' : 'champion';
    const request = requestOf(draw);
    const response = responseOf(random.hex(), draw);
    return {
      id: createInferenceId(nowMs(), hashes[chosen]!, random),
      begin: {
        ...{ organizationId: source.organizationId, groupId: source.groupIds[chosen]!, keyId: source.keyId },
        ...{ configVersion: 12, operation: 'chat', dialect: 'openai-chat', streamed: false, assignedVariant: variant },
        ...{ unit: `user-${draw % 50_000}`, unitSource: 'user', hashVersion: 1, bucket: draw % 10_000 },
        ...{
          rangeFrom: variant === 'champion' ? 0 : 9_000,
          rangeTo: variant === 'champion' ? 9_000 : 10_000,
          phase: 1,
        },
        ...{ traceId: random.hex() + random.hex(), requestBytes: request.length, requestSha256: null },
      },
      end: endOf(variant, draw, response.length, random.hex()),
      request,
      response,
    };
  };
}

function endOf(variant: string, draw: number, responseBytes: number, requestId: string): EndRecord {
  const [startNs, connectNs, firstByteNs] = [
    80_000 + (draw % 9_999),
    210_000 + (draw % 7_777),
    412_345_678 + (draw % 99_999),
  ];
  const endNs = firstByteNs + 1_234_567;
  return {
    ...{ status: 200, outcome: 'completed', errorCode: null, endReason: 'body', finishReason: 'stop' },
    ...{ servedVariant: variant, servedReason: 'assigned' },
    attempts: [
      {
        ...{ provider: 'up', model: variant, upstreamModel: 'bench', status: 200, errorCode: null },
        ...{ startNs, connectNs, firstByteNs, endNs, requestId: `req_${requestId}` },
      },
    ],
    ...{ inputTokens: 200 + (draw % 50), outputTokens: 90 + (draw % 30), cachedTokens: 0, reasoningTokens: null },
    ...{ queueNs: 0, connectNs, firstByteNs, firstTokenNs: null, totalNs: endNs + 50_000 },
    ...{ responseBytes, responseSha256: null, responseType: 'application/json' },
  };
}

function requestOf(draw: number): Buffer {
  return jsonOf(REQUEST_BYTES, draw, (content) => ({ model: 'bench', messages: [{ role: 'user', content }] }));
}

function responseOf(id: string, draw: number): Buffer {
  const usage = { prompt_tokens: 200 + (draw % 50), completion_tokens: 90 + (draw % 30), total_tokens: 330 };
  return jsonOf(RESPONSE_BYTES, draw >>> 3, (content) => ({
    ...{ id: `chatcmpl-${id}`, object: 'chat.completion', created: 1_750_000_000, model: 'bench' },
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage,
  }));
}

/** The JSON of `wrap(text)` with as much text as makes it exactly `bytes` long. */
function jsonOf(bytes: number, draw: number, wrap: (text: string) => object): Buffer {
  const room = bytes - JSON.stringify(wrap('')).length;
  let text = '';
  for (let i = draw; text.length < room; i = (i * 31 + 7) >>> 0) text += `${WORDS[i % WORDS.length]!} `;
  return Buffer.from(JSON.stringify(wrap(text.slice(0, room))));
}
