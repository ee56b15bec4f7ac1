import { StringDecoder } from 'node:string_decoder';
import { DeltaMerge, isObject, type JsonObject } from '../merge-deltas.ts';
import type { Reassembler, ReassemblerOptions } from '../reassembler.ts';

/** Longer events are dropped whole. */
const MAX_EVENT = 1_048_576;
const CHUNK_OBJECT = 'chat.completion.chunk';

/** Reassembles the chunks of a chat or completion stream. */
export function openReassembler({ maxHeld, lookAhead }: ReassemblerOptions): Reassembler {
  const decoder = new StringDecoder('utf8');
  const merge = new DeltaMerge(maxHeld, lookAhead);
  const answer: JsonObject = {};
  let unreadableEvents = 0;
  let line = '';
  let data: string[] = [];
  let dataLength = 0;
  /** Inside an event that is too long. */
  let isTooLong = false;

  const read = (text: string) => {
    const lines = text.split('\n');
    lines.forEach((part, index) => {
      if (index > 0) endLine();
      isTooLong ||= line.length + dataLength + part.length > MAX_EVENT;
      // Of a long one only whether it ends is of interest.
      line = isTooLong ? (line + part).slice(0, 2) : line + part;
    });
  };

  const endLine = () => {
    const text = line.replace(/^\ufeff/, '').replace(/\r$/, '');
    line = '';
    if (text === '') return endEvent();
    if (isTooLong || !text.startsWith('data:')) return;
    const value = text.slice(text[5] === ' ' ? 6 : 5);
    data.push(value);
    dataLength += value.length + 1; // the line end that it is joined by
  };

  const endEvent = () => {
    const text = data.join('\n');
    data = [];
    dataLength = 0;
    const chunk = isTooLong ? null : parse(text);
    const isSilent = !isTooLong && (text === '' || text.trimStart().startsWith('[DONE]'));
    isTooLong = false;
    if (isSilent) return;
    if (chunk === null) unreadableEvents++;
    else addChunk(answer, chunk, merge);
  };

  return {
    push: (chunk) => read(decoder.write(chunk)),
    message() {
      read(`${decoder.end()}\n\n`);
      const isReadable = unreadableEvents === 0;
      const text = JSON.stringify(isReadable ? answer : { ...answer, unreadable_events: unreadableEvents });
      return { text, isWhole: isReadable && !merge.isCut };
    },
  };
}

/** What is said about the whole, the newest of it; choices by their index. */
function addChunk(answer: JsonObject, chunk: JsonObject, merge: DeltaMerge): void {
  for (const [key, value] of Object.entries(chunk)) {
    if (key === 'choices') addChoices(answer, value, merge);
    else merge.replace(answer, key, value === CHUNK_OBJECT ? 'chat.completion' : value);
  }
}

function addChoices(answer: JsonObject, choices: unknown, merge: DeltaMerge): void {
  answer['choices'] ??= [];
  const list = answer['choices'] as unknown[];
  if (!Array.isArray(choices)) return;
  for (const choice of choices) {
    if (!isObject(choice)) continue;
    const { delta, logprobs, finish_reason: finishReason, ...said } = choice;
    // Some servers leave the index of the only choice out.
    const rest = typeof said['index'] === 'number' ? said : { ...said, index: 0 };
    const target = merge.element(list, rest);
    if (target === null) continue;
    merge.add(target, rest);
    if (isObject(delta)) merge.add(target, { message: delta });
    if (typeof finishReason === 'string') merge.replace(target, 'finish_reason', finishReason);
    // The text once more, token by token; whoever redacts does not keep it.
    if (isObject(logprobs)) target['logprobs'] = {};
  }
}

function parse(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
