import { decodeString, planScan, scanBody } from '#core/body-scan.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';
import {
  dataOf,
  endOfEvent,
  lastEventEnd,
  SEAM_BYTES,
  startOfEvent,
  tailOf,
} from '#translation/wires/sse/event-bytes.ts';
import type { ReplyFacts, StreamPiece, StreamTap } from '../provider.ts';
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
const NOTHING: StreamPiece = { forward: null, terminal: null };

/**
 * Taps a stream of OpenAI's Responses API. Whole events are passed on as the bytes they came in; its last event repeats the whole
 * response, so that events are held up to {@link MAX_EVENT_BYTES}.
 *
 *   flowing ──response.completed, .incomplete──▶ over    (held back until the inference is recorded)
 *      └──────error, response.failed─────────────▶ over    (not passed on: the caller gets it as our error)
 *
 * What follows is dropped.
 */
export function openResponsesStream(): StreamTap {
  return new ResponsesTap();
}

class ResponsesTap implements StreamTap {
  sawToken = false;
  errorBody: Buffer | null = null;
  errorStatus: number | null = null;
  isMidEvent = false;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #facts: ReplyFacts = { usage: null, finishReason: null };
  #isOver = false;

  // hot
  push(chunk: Buffer): StreamPiece {
    if (this.#isOver) return NOTHING;
    const seam = this.#heldBytes === 0 ? null : tailOf(this.#held, SEAM_BYTES);
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    const hasEnd = lastEventEnd(seam === null ? chunk : Buffer.concat([seam, chunk])) > 0;
    if (!hasEnd && this.#heldBytes <= MAX_EVENT_BYTES) return NOTHING;
    this.isMidEvent = false;
    const bytes = this.#takeHeld();
    const end = lastEventEnd(bytes);
    const rest = bytes.subarray(end);
    const piece = end === 0 ? NOTHING : this.#inspect(end === bytes.length ? bytes : bytes.subarray(0, end));
    if (this.#isOver || rest.length === 0) return piece;
    if (rest.length > MAX_EVENT_BYTES) {
      this.isMidEvent = true;
      return { forward: piece.forward === null ? rest : Buffer.concat([piece.forward, rest]), terminal: null };
    }
    this.#held = [rest];
    this.#heldBytes = rest.length;
    return piece;
  }

  flush(): Buffer | null {
    if (this.#heldBytes === 0) return null;
    const { forward, terminal } = this.#inspect(this.#takeHeld());
    return forward === null || terminal === null ? (forward ?? terminal) : Buffer.concat([forward, terminal]);
  }

  facts(): ReplyFacts {
    return this.#facts;
  }

  /** Reads whole events where they may matter, and says which part of the bytes the caller gets. */
  #inspect(bytes: Buffer): StreamPiece {
    // One conversion and searches in a string cost a third of as many searches in the buffer.
    const text = bytes.toString('latin1');
    for (let from = 0; from < bytes.length; ) {
      if (this.sawToken) {
        MARKERS.lastIndex = from;
        const marker = MARKERS.exec(text);
        if (marker === null) break;
        from = startOfEvent(text, from, marker.index);
      }
      const to = endOfEvent(bytes, from);
      const verdict = this.#readEvent(bytes.subarray(from, to));
      if (verdict !== 'pass') {
        this.#isOver = true;
        const terminal = verdict === 'terminal' ? bytes.subarray(from, to) : null;
        return { forward: from === 0 ? null : bytes.subarray(0, from), terminal };
      }
      from = to;
    }
    return { forward: bytes, terminal: null };
  }

  #readEvent(bytes: Buffer): 'pass' | 'terminal' | 'error' {
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

  #takeHeld(): Buffer {
    const bytes = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    return bytes;
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
