import { StringDecoder } from 'node:string_decoder';
import { RingsideError } from '#core/errors.ts';
import { MAX_EVENT_BYTES } from './provider.ts';

/** One server-sent event: `event` is empty where the server gave no name. */
export type OnEvent = (data: string, event: string) => void;

export interface EventStream {
  push(chunk: Buffer): void;
  /** Hands over an event whose closing blank line did not come, as OpenAI's and Anthropic's SDKs do. */
  close(): void;
}

const LF = 10;
const CR = 13;
const BOM = 0xfeff;

/**
 * Splits server-sent events (WHATWG HTML, section 9.2.6) out of chunks that are cut anywhere, inside a character too. Lines end in LF,
 * CR LF or CR. Events without data, comments, ids and retry times are skipped. An event beyond {@link MAX_EVENT_BYTES} throws
 * `upstream_protocol`.
 */
export function openEventStream(onEvent: OnEvent): EventStream {
  const decoder = new StringDecoder('utf8');
  let line = '';
  let data = '';
  let hasData = false;
  let event = '';
  let first = true;
  /** The last character was a CR: an LF behind it is the same line's end. */
  let afterCr = false;

  const endEvent = () => {
    if (hasData) {
      const [text, name] = [data, event];
      data = '';
      event = '';
      hasData = false;
      onEvent(text, name);
    }
    event = '';
  };
  const endLine = (text: string) => {
    if (text === '') return endEvent();
    const colon = text.indexOf(':');
    const field = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? '' : text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') {
      data = hasData ? `${data}\n${value}` : value;
      hasData = true;
    } else if (field === 'event') event = value;
  };
  const take = (text: string) => {
    let from = 0;
    if (first && text.length > 0) {
      first = false;
      if (text.charCodeAt(0) === BOM) from = 1;
    }
    if (afterCr && text.length > from) {
      afterCr = false;
      if (text.charCodeAt(from) === LF) from++;
    }
    // What was found and not reached is not searched again: a chunk of a thousand lines has no CR, as a rule.
    let [lf, cr] = [-2, -2];
    while (from < text.length) {
      if (lf !== -1 && lf < from) lf = text.indexOf('\n', from);
      if (cr !== -1 && cr < from) cr = text.indexOf('\r', from);
      const end = lf === -1 || (cr !== -1 && cr < lf) ? cr : lf;
      if (end === -1) {
        line += text.slice(from);
        break;
      }
      const whole = line === '' ? text.slice(from, end) : line + text.slice(from, end);
      line = '';
      from = end + 1;
      if (text.charCodeAt(end) === CR) {
        if (from === text.length) afterCr = true;
        else if (text.charCodeAt(from) === LF) from++;
      }
      endLine(whole);
    }
    if (line.length + data.length > MAX_EVENT_BYTES) {
      throw new RingsideError('upstream_protocol', `The upstream sent an event of more than ${MAX_EVENT_BYTES} bytes.`);
    }
  };
  return {
    push: (chunk) => take(decoder.write(chunk)),
    close() {
      take(decoder.end());
      if (line !== '') endLine(line);
      line = '';
      endEvent();
    },
  };
}
