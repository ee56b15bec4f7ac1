/**
 * Reads the answers of one connection, one request at a time, strictly: HTTP/1.1 with a length or in chunks. Anything
 * else is an error of the server under test, and never guessed at.
 *
 *   head ──length──▶ body ──▶ head
 *     └───chunked──▶ size ──▶ data ──▶ size ──0──▶ trailer ──▶ head
 */
export interface AnswerReader {
  /** @throws MalformedAnswerError */
  push(bytes: Buffer): void;
  /** True between answers. */
  readonly idle: boolean;
}

export interface Answer {
  readonly status: number;
  /** The server closes the connection after it. */
  readonly last: boolean;
}

export class MalformedAnswerError extends Error {
  override name = 'MalformedAnswerError';
}

const MAX_HEAD_BYTES = 65_536;
const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');

type State =
  | { readonly at: 'head' | 'size' | 'trailer' }
  /** `remaining` bytes to skip; those of a chunk include its line end. */
  | { readonly at: 'body' | 'data'; remaining: number };

export function createAnswerReader(onAnswer: (answer: Answer) => void): AnswerReader {
  let held: Buffer = Buffer.alloc(0);
  let state: State = { at: 'head' };
  let answer: Answer = { status: 0, last: false };

  const finish = (): void => {
    state = { at: 'head' };
    onAnswer(answer);
  };
  const takeUntil = (end: Buffer): string | undefined => {
    const position = held.indexOf(end);
    if (position === -1) {
      if (held.length > MAX_HEAD_BYTES) throw new MalformedAnswerError('a head or line without an end');
      return undefined;
    }
    const text = held.toString('latin1', 0, position);
    held = held.subarray(position + end.length);
    return text;
  };
  const skip = (body: { remaining: number }): boolean => {
    const taken = Math.min(body.remaining, held.length);
    held = held.subarray(taken);
    body.remaining -= taken;
    return body.remaining === 0;
  };
  /** One step; false when it needs more bytes. */
  const step = (): boolean => {
    switch (state.at) {
      case 'head': {
        if (held.length === 0) return false;
        const text = takeUntil(HEAD_END);
        if (text === undefined) return false;
        const head = parseHead(text);
        answer = head;
        state = head.length === undefined ? { at: 'size' } : { at: 'body', remaining: head.length };
        return true;
      }
      case 'body':
        if (!skip(state)) return false;
        finish();
        return true;
      case 'size': {
        const text = takeUntil(LINE_END);
        if (text === undefined) return false;
        if (!/^[0-9a-f]{1,8}(;.*)?$/i.test(text)) throw new MalformedAnswerError(`chunk size "${text}"`);
        const size = Number.parseInt(text, 16);
        state = size === 0 ? { at: 'trailer' } : { at: 'data', remaining: size + LINE_END.length };
        return true;
      }
      case 'data':
        if (!skip(state)) return false;
        state = { at: 'size' };
        return true;
      case 'trailer': {
        const text = takeUntil(LINE_END);
        if (text === undefined) return false;
        if (text === '') finish();
        return true;
      }
      default:
        return state satisfies never;
    }
  };
  return {
    get idle() {
      return state.at === 'head' && held.length === 0;
    },
    push(bytes) {
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      while (step());
    },
  };
}

function parseHead(text: string): Answer & { readonly length: number | undefined } {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const status = Number(/^HTTP\/1\.1 ([2-5]\d\d)( |$)/.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new MalformedAnswerError(`status line "${statusLine}"`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) throw new MalformedAnswerError(`header line "${line}"`);
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const last = headers.get('connection')?.toLowerCase() === 'close';
  const length = headers.get('content-length');
  const encoding = headers.get('transfer-encoding')?.toLowerCase();
  if (encoding === 'chunked' && length === undefined) return { status, last, length: undefined };
  if (status === 204 && encoding === undefined) return { status, last, length: 0 };
  if (encoding !== undefined || length === undefined || !/^\d{1,12}$/.test(length)) {
    throw new MalformedAnswerError(`neither one length nor chunks: ${length} and ${encoding}`);
  }
  return { status, last, length: Number(length) };
}
