import { decodeString, planScan, scanBody } from '#core/body-scan.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';
import { dataOf } from '#translation/wires/sse/event-bytes.ts';
import { EventTap, type Verdict } from '../../wires/sse/event-tap.ts';
import type { ReplyFacts, StreamTap } from '../provider.ts';
import { readResponse } from './responses-reply.ts';

/** What makes an event worth reading when tokens flow. Inside a string the quotes would be escaped. */
const MARKERS = /"type"\s*:\s*"(?:error|response\.(?:completed|incomplete|failed))"/g;
const PLAN = planScan(['type', 'response']);
const TERMINAL: ReadonlySet<string | null> = new Set(['response.completed', 'response.incomplete']);
const FAILED = 'response.failed';
/** Of the codes of a Response's error, those that are not the provider's fault. */
const STATUSES: ReadonlyMap<unknown, number> = new Map([
  ['rate_limit_exceeded', 429],
  ['invalid_prompt', 400],
]);

/**
 * Taps a stream of OpenAI's Responses API. Its last event repeats the whole response, so that events are held up to
 * {@link MAX_EVENT_BYTES}; `response.failed` is an error, though it ends the stream as the others do.
 */
export function openResponsesStream(): StreamTap {
  return new ResponsesTap();
}

class ResponsesTap extends EventTap {
  #facts: ReplyFacts = { usage: null, finishReason: null };

  constructor() {
    super(MARKERS, MAX_EVENT_BYTES);
  }

  facts(): ReplyFacts {
    return this.#facts;
  }

  protected readEvent(bytes: Buffer): Verdict {
    const data = Buffer.from(dataOf(bytes));
    const scan = scanBody(data, PLAN);
    // What is no object is not ours to judge: it is passed on as it is.
    if (scan.kind === 'bad') return 'pass';
    const [typeSpan, responseSpan] = scan.spans;
    const type = typeSpan === undefined ? null : decodeString(data, typeSpan);
    if (type?.endsWith('.delta')) this.sawToken = true;
    if (type === 'error') {
      this.errorBody = data;
      this.errorStatus = statusOf(data);
      return 'error';
    }
    if (type !== FAILED && !TERMINAL.has(type)) return 'pass';
    const response = responseSpan === undefined ? null : data.subarray(responseSpan.start, responseSpan.end);
    if (response !== null) this.#facts = readResponse(response);
    if (type !== FAILED) return 'terminal';
    // The response holds its error as an answer with an error's status does.
    this.errorBody = response ?? data;
    this.errorStatus = statusOf(this.errorBody);
    return 'error';
  }
}

/** An error event has no status but what its code implies. OpenAI nests the fields, as its reference does not. */
function statusOf(data: Buffer): number | null {
  try {
    const event = JSON.parse(data.toString('utf8')) as { readonly code?: unknown; readonly error?: { code?: unknown } };
    const code = event.error?.code ?? event.code;
    return STATUSES.get(code) ?? null;
  } catch {
    return null; // the scan looks at the structure only: what is inside may be broken
  }
}
