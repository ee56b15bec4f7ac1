import { StringDecoder } from 'node:string_decoder';

/** Longer events are dropped whole. */
const MAX_EVENT = 1_048_576;

/** Splits server-sent events for one who must not fail and must not hold much. */
export interface BoundedEvents {
  push(chunk: Buffer): void;
  /** The stream is over: what came without its blank line is an event, too. */
  close(): void;
}

/** Hands over the data of each event; null for one that is too long. Events without data are skipped. */
export function openBoundedEvents(onData: (data: string | null) => void): BoundedEvents {
  const decoder = new StringDecoder('utf8');
  let line = '';
  let data: string[] = [];
  let dataLength = 0;
  /** Inside an event that is too long. */
  let isTooLong = false;

  const endEvent = () => {
    const text = isTooLong ? null : data.join('\n');
    data = [];
    dataLength = 0;
    isTooLong = false;
    if (text !== '') onData(text);
  };
  const endLine = () => {
    const text = line.replace(/^\ufeff/, '').replace(/\r$/, '');
    line = '';
    if (text === '') return endEvent();
    if (isTooLong || !text.startsWith('data:')) return;
    const value = text.slice(text[5] === ' ' ? 6 : 5);
    data.push(value);
    dataLength += value.length;
  };
  const read = (text: string) => {
    text.split('\n').forEach((part, index) => {
      if (index > 0) endLine();
      isTooLong ||= line.length + dataLength + part.length > MAX_EVENT;
      // Of a long one only whether it ends is of interest.
      line = isTooLong ? (line + part).slice(0, 2) : line + part;
    });
  };
  return {
    push: (chunk) => read(decoder.write(chunk)),
    close: () => read(`${decoder.end()}\n\n`),
  };
}
