import type { Behaviour } from '../../behaviour.ts';
import { drawText, type Random } from '../../random.ts';
import { countTokens } from '../../tokens.ts';
import { drawBytes } from './media-usage.ts';

/** An event of a realtime session; `tokens` is how many tokens of an answer it brings. */
export interface RealtimeEvent {
  readonly event: Readonly<Record<string, unknown>>;
  readonly tokens: number;
}

/** One conversation, as OpenAI's Realtime API holds it (API reference, Realtime client and server events, read 2026-11). Pure but for its own state. */
export interface RealtimeSession {
  /** What the server says first. */
  readonly created: RealtimeEvent;
  /** What it says to one message of the client's. */
  answer(message: string): Iterable<RealtimeEvent>;
}

interface Item {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** Sound of one token: 50 ms of PCM at 24 kHz are 2 400 bytes. */
const AUDIO_BYTES = 2_400;

export function openRealtimeSession(model: string, behaviour: Behaviour, random: Random): RealtimeSession {
  const id = (prefix: string) => `${prefix}_${drawText(random, 21)}`;
  const say = (type: string, fields: object, tokens = 0): RealtimeEvent => ({
    event: { type, event_id: id('event'), ...fields },
    tokens,
  });
  let session: Record<string, unknown> = {
    ...{ type: 'realtime', object: 'realtime.session', id: id('sess'), model, output_modalities: ['audio'] },
    ...{ instructions: '', tools: [], tool_choice: 'auto', max_output_tokens: 'inf' },
  };
  let heardTokens = 0;
  let bufferedBytes = 0;
  let lastItemId: string | null = null;

  const refuse = (message: string, param: string | null, clientEventId: unknown): RealtimeEvent =>
    say('error', {
      error: {
        type: 'invalid_request_error',
        code: 'invalid_value',
        message,
        param,
        event_id: typeof clientEventId === 'string' ? clientEventId : null,
      },
    });

  function* addItem(item: Item): Iterable<RealtimeEvent> {
    const previous_item_id = lastItemId;
    lastItemId = item.id;
    yield say('conversation.item.added', { previous_item_id, item });
    yield say('conversation.item.done', { previous_item_id, item });
  }

  function* respond(): Iterable<RealtimeEvent> {
    const response = { id: id('resp'), object: 'realtime.response', status_details: null, metadata: null };
    const isText = (session['output_modalities'] as unknown[]).includes('text');
    const item = { id: id('item'), object: 'realtime.item', type: 'message', role: 'assistant' };
    const at = { response_id: response.id, item_id: item.id, output_index: 0, content_index: 0 };
    const [kind, type] = isText ? ['output_text', 'text'] : ['output_audio', 'audio'];
    yield say('response.created', { response: { ...response, status: 'in_progress', output: [], usage: null } });
    const place = { response_id: response.id, output_index: 0 };
    yield say('response.output_item.added', { ...place, item: { ...item, status: 'in_progress', content: [] } });
    yield say('response.content_part.added', { ...at, part: { type } });
    let text = '';
    for (let token = 0; token < behaviour.answerTokens; token++) {
      const delta = isText ? ` ${drawText(random, 4)}` : drawBytes(random, AUDIO_BYTES).toString('base64');
      if (isText) text += delta;
      yield say(`response.${kind}.delta`, { ...at, delta }, 1);
    }
    yield say(`response.${kind}.done`, isText ? { ...at, text } : at);
    const part = isText ? { type, text } : { type, transcript: '' };
    yield say('response.content_part.done', { ...at, part });
    const done = { ...item, status: 'completed', content: [isText ? { type: kind, text } : { type: kind }] };
    yield say('response.output_item.done', { ...place, item: done });
    lastItemId = item.id;
    const usage = usageOf(behaviour, heardTokens, isText);
    yield say('response.done', { response: { ...response, status: 'completed', output: [done], usage } });
    heardTokens += behaviour.answerTokens;
  }

  return {
    created: say('session.created', { session }),
    *answer(message) {
      const event = parse(message);
      if (event === null) return yield refuse('The event is no JSON object.', null, null);
      const { event_id } = event;
      switch (event['type']) {
        case 'session.update':
          session = { ...session, ...(isObject(event['session']) ? event['session'] : {}), model };
          return yield say('session.updated', { session });
        case 'conversation.item.create':
          if (!isObject(event['item'])) return yield refuse("Missing required parameter: 'item'.", 'item', event_id);
          heardTokens += countTokens(JSON.stringify(event['item']));
          return yield* addItem({ id: id('item'), object: 'realtime.item', status: 'completed', ...event['item'] });
        case 'input_audio_buffer.append':
          bufferedBytes += typeof event['audio'] === 'string' ? Buffer.byteLength(event['audio'], 'base64') : 0;
          return;
        case 'input_audio_buffer.commit': {
          const item = { id: id('item'), type: 'message', role: 'user', content: [{ type: 'input_audio' }] };
          heardTokens += Math.ceil(bufferedBytes / AUDIO_BYTES);
          bufferedBytes = 0;
          yield say('input_audio_buffer.committed', { previous_item_id: lastItemId, item_id: item.id });
          return yield* addItem(item);
        }
        case 'response.create':
          return yield* respond();
        default:
          return yield refuse(`Invalid value: '${String(event['type']).slice(0, 100)}'.`, 'type', event_id);
      }
    },
  };
}

function usageOf(behaviour: Behaviour, heardTokens: number, isText: boolean): object | null {
  if (behaviour.usage === 'missing') return null;
  const on = behaviour.usage === 'zero' ? 0 : 1;
  const [input, output] = [heardTokens * on, behaviour.answerTokens * on];
  const cached = Math.min(behaviour.cachedPromptTokens, input);
  return {
    total_tokens: input + output,
    input_tokens: input,
    output_tokens: output,
    input_token_details: { text_tokens: input, audio_tokens: 0, image_tokens: 0, cached_tokens: cached },
    output_token_details: { text_tokens: isText ? output : 0, audio_tokens: isText ? 0 : output },
  };
}

function parse(message: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(message);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
