import { RingsideError } from '#core/errors.ts';
import type { ChatEvent } from '../../chat/events.ts';
import type { StreamReader } from '../../chat/provider.ts';
import type { ChatUsage } from '../../chat/reply.ts';
import { openEventStream } from '../../chat/sse.ts';
import { isObject, type Json, listOf, parseUpstream, textOf } from './json.ts';
import { StreamChoice } from './stream-choice.ts';
import { readUsage } from './usage.ts';

/** More choices than any server gives; a stream that numbers others is broken. */
const MAX_CHOICES = 128;

/**
 * Reads a stream of chat completion chunks.
 *
 *   empty ──first chunk that says something──▶ begun ──"[DONE]", or closed after all finish reasons──▶ over
 *     └──────────────── an error ───────────────┴──────────────────────────────────────────────────────▶ over
 */
export function openReader(): StreamReader {
  const choices = new Map<number, StreamChoice>();
  let mode: 'empty' | 'begun' | 'over' = 'empty';
  let usage: ChatUsage | null = null;
  let emit: (event: ChatEvent) => void = () => {};

  const takeChunk = (chunk: Json) => {
    if (isObject(chunk['error']) || textOf(chunk['error']) !== null) return fail(chunk);
    const said = listOf(chunk['choices']).filter(isObject);
    if (mode === 'empty') {
      // Azure begins with a chunk that only says what its filters found.
      if (said.length === 0 && textOf(chunk['id']) === null) return;
      mode = 'begun';
      emit({ type: 'start', id: textOf(chunk['id']), model: textOf(chunk['model']), usage: null });
    }
    // vLLM can count along: the last one counts.
    usage = readUsage(chunk['usage']) ?? usage;
    for (const choice of said) choiceOf(choice).take(choice, emit);
  };

  const choiceOf = ({ index }: Json): StreamChoice => {
    // Some servers leave the index of the only choice out.
    const number = typeof index === 'number' ? index : 0;
    if (!Number.isInteger(number) || number < 0 || number >= MAX_CHOICES) {
      throw new RingsideError('upstream_protocol', 'The upstream sent a choice with an impossible index.');
    }
    const known = choices.get(number);
    if (known !== undefined) return known;
    const added = new StreamChoice(number);
    choices.set(number, added);
    return added;
  };

  const fail = (chunk: Json) => {
    mode = 'over';
    emit({ type: 'error', status: statusOf(chunk), body: Buffer.from(JSON.stringify(chunk)) });
  };

  const end = () => {
    if (mode === 'empty') throw new RingsideError('upstream_protocol', 'The upstream sent a stream without an answer.');
    mode = 'over';
    for (const [, choice] of [...choices].sort(([a], [b]) => a - b)) choice.end(emit);
    if (usage !== null) emit({ type: 'usage', usage });
    emit({ type: 'end' });
  };

  const events = openEventStream((data, event) => {
    if (mode === 'over') return;
    // Clients end on whatever begins so.
    if (data.trimStart().startsWith('[DONE]')) return end();
    const chunk = parseUpstream(data, 'an event');
    // Text Generation Inference and vLLM name the event where the others wrap the error.
    if (event === 'error' && !isObject(chunk['error'])) return fail({ error: chunk });
    takeChunk(chunk);
  });

  return {
    push(chunk, onEvent) {
      emit = onEvent;
      events.push(chunk);
    },
    close(onEvent) {
      emit = onEvent;
      events.close();
      if (mode === 'over') return;
      const isWhole = choices.size > 0 && [...choices.values()].every(({ isFinished }) => isFinished);
      if (!isWhole) throw new RingsideError('upstream_protocol', 'The upstream broke its stream off.');
      end();
    },
  };
}

const STATUS_OF_TYPE: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['rate_limit_error', 429],
  ['requests', 429],
  ['tokens', 429],
  ['rate_limit_exceeded', 429],
  ['insufficient_quota', 429],
  ['server_error', 500],
  ['overloaded_error', 529],
  ['overloaded', 529],
]);

/** The status that an error in a stream stands for, as far as it says. */
function statusOf(chunk: Json): number | null {
  const error = isObject(chunk['error']) ? chunk['error'] : {};
  for (const value of [error['status'], error['status_code'], error['code'], error['http_status_code']]) {
    const status = typeof value === 'string' ? Number(value) : value;
    if (typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599) return status;
  }
  for (const value of [error['code'], error['type'], error['error_type']]) {
    const status = typeof value === 'string' ? STATUS_OF_TYPE.get(value) : undefined;
    if (status !== undefined) return status;
  }
  return null;
}
