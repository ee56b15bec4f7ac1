import type { AnswerContext, StreamWriter } from '../../chat/dialect.ts';
import type { ChatEvent } from '../../chat/events.ts';
import type { ChatUsage } from '../../chat/reply.ts';
import { BlockQueue } from './block-queue.ts';
import { type Ending, writeEnding } from './ending.ts';
import { namedEvent } from './named-event.ts';
import { messageId } from './reply.ts';
import { writeDeltaUsage, writeUsage } from './usage.ts';

export const PING = namedEvent('ping');

/**
 * Writes a stream as Anthropic does: `message_start`, content blocks one after the other, `message_delta` with the end and the
 * totals, `message_stop`. Only the first candidate is written.
 */
export function openWriter(context: AnswerContext): StreamWriter {
  const blocks = new BlockQueue(context.inferenceId);
  let ending: Ending = { finish: null, rawFinish: null, stopSequence: null, hasCalls: false, hasRefusal: false };
  let usage: ChatUsage | null = null;
  let saidEnd = false;

  const writeStart = (event: Extract<ChatEvent, { type: 'start' }>) => {
    usage = event.usage;
    const message = {
      id: messageId(event.id, context),
      type: 'message',
      role: 'assistant',
      model: event.model ?? context.request.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      container: null,
      diagnostics: null,
      usage: writeUsage(event.usage),
    };
    return namedEvent('message_start', { message });
  };
  const sayEnd = () => {
    if (saidEnd) return '';
    saidEnd = true;
    const delta = { ...writeEnding(ending), container: null };
    return namedEvent('message_delta', { delta, usage: writeDeltaUsage(usage) });
  };

  return {
    write(event) {
      if ('candidate' in event && event.candidate !== 0) return '';
      switch (event.type) {
        case 'start':
          return writeStart(event);
        case 'begin':
          ending = {
            ...ending,
            hasCalls: ending.hasCalls || event.kind === 'tool_call',
            hasRefusal: ending.hasRefusal || event.kind === 'refusal',
          };
          return blocks.begin(event);
        case 'delta':
          return blocks.delta(event);
        case 'close':
          return blocks.close(event.part);
        case 'finish':
          ending = { ...ending, finish: event.finish, rawFinish: event.rawFinish, stopSequence: event.stopSequence };
          return '';
        case 'usage':
          usage = event.usage;
          return ending.finish === null ? '' : sayEnd();
        case 'alive':
          return PING;
        case 'logprobs':
          return '';
        default:
          return event satisfies never;
      }
    },
    end: () => sayEnd() + namedEvent('message_stop'),
  };
}
