import { RingsideError } from '#core/errors.ts';
import type { AnswerContext, StreamWriter } from '../../chat/dialect.ts';
import type { ChatEvent } from '../../chat/events.ts';
import { toolCallId } from '../../chat/parts.ts';
import type { Candidate, ChatUsage, FinishReason, TokenLogprob } from '../../chat/reply.ts';
import type { JsonObject } from '../../chat/request.ts';
import { annotationOf, contentOf, itemId, itemOf, logprobOf, type ShownPart, signatureItem } from './items.ts';
import { type OpenItem, partOf, placeOf, shownHead, summaryPlaceOf } from './open-item.ts';
import { endingOf, openingOf, responseOf } from './reply.ts';

/** What is held of an answer, in characters: as much as is held of one that is no stream. */
const MAX_HELD = 64 * 1_048_576;
/** What the log probabilities of one token take, as a rule. */
const LOGPROB_CHARACTERS = 100;

type Written = Parameters<StreamWriter['write']>[0];
export function openWriter(context: AnswerContext): StreamWriter {
  return new ResponseWriter(context);
}

/**
 * Writes a stream of events as OpenAI orders them, numbered without gaps. Holds the texts of the answer: their `done` events and the
 * last one repeat them.
 *
 *   item: announced ──close──▶ held ──what comes next──▶ done (incomplete if that is an end by a limit or a filter)
 */
class ResponseWriter implements StreamWriter {
  readonly #context: AnswerContext;
  #sequence = 0;
  #model: string | null = null;
  #usage: ChatUsage | null = null;
  #finish: FinishReason | null = null;
  #logprobs: TokenLogprob[] | null = null;
  /** Not yet sent with a piece of text. */
  #newLogprobs: TokenLogprob[] = [];
  #calls = 0;
  /** By the number of the part; parts without an item are missing. */
  readonly #items = new Map<number, OpenItem>();
  #firstText: OpenItem | null = null;
  #held: OpenItem[] = [];
  #heldCharacters = 0;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  write(event: Written): string {
    if ('candidate' in event && event.candidate !== 0) return '';
    switch (event.type) {
      case 'start':
        return this.#start(event);
      case 'begin':
        return this.#endHeld(false) + this.#begin(event);
      case 'delta': {
        const item = this.#items.get(event.part);
        return item === undefined ? '' : this.#endHeld(false) + this.#delta(item, event);
      }
      case 'close': {
        const item = this.#items.get(event.part);
        if (item !== undefined) this.#held.push(item);
        return '';
      }
      case 'finish':
        this.#finish = event.finish;
        return this.#endHeld(endingOf(this.#candidate()).status === 'incomplete') + this.#signatures();
      case 'logprobs':
        this.#logprobs ??= [];
        for (const logprob of event.logprobs) {
          this.#hold(LOGPROB_CHARACTERS * (1 + logprob.top.length));
          this.#logprobs.push(logprob);
          this.#newLogprobs.push(logprob);
        }
        return '';
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'alive':
        return '';
      default:
        return event satisfies never;
    }
  }

  end(): string {
    const open = this.#endHeld(false);
    const reply = {
      id: null,
      rawFinish: null,
      model: this.#model,
      usage: this.#usage,
      candidates: [this.#candidate()],
    };
    const response = responseOf(reply, this.#context);
    const type = response['status'] === 'incomplete' ? 'response.incomplete' : 'response.completed';
    return open + this.#event(type, { response });
  }

  #start(event: Extract<ChatEvent, { type: 'start' }>): string {
    this.#model = event.model;
    this.#usage ??= event.usage;
    const response = openingOf(event.model, this.#context);
    return this.#event('response.created', { response }) + this.#event('response.in_progress', { response });
  }

  #begin(event: Extract<ChatEvent, { type: 'begin' }>): string {
    const head = shownHead(event);
    if (head === null) return '';
    const { inferenceId } = this.#context;
    const outputIndex = this.#items.size;
    const item: OpenItem = {
      head,
      id: itemId(inferenceId, head.kind, outputIndex),
      callId: head.kind === 'tool_call' ? (head.id ?? toolCallId(inferenceId, this.#calls++)) : '',
      outputIndex,
      text: [],
      citations: [],
      signature: null,
      redacted: null,
    };
    this.#items.set(event.part, item);
    if (head.kind === 'text') this.#firstText ??= item;
    return this.#announce(item);
  }

  #announce(item: OpenItem): string {
    const part = partOf(item);
    const { id, callId, outputIndex } = item;
    const whole = itemOf(part, { id, callId, status: 'in_progress', logprobs: null });
    const isMessage = part.type === 'text' || part.type === 'refusal';
    const empty = isMessage ? { content: [] } : part.type === 'image' ? { result: null } : {};
    const added = this.#event('response.output_item.added', {
      output_index: outputIndex,
      item: { ...whole, ...empty },
    });
    if (!isMessage) return added;
    return added + this.#event('response.content_part.added', { ...placeOf(item), part: contentOf(part, null) });
  }

  // hot
  #delta(item: OpenItem, event: Extract<ChatEvent, { type: 'delta' }>): string {
    if (event.kind === 'text') {
      const isFirst = item.text.length === 0;
      this.#hold(event.text.length);
      item.text.push(event.text);
      return this.#text(item, event.text, isFirst);
    }
    if (event.kind === 'citation') {
      const fields = {
        ...placeOf(item),
        annotation_index: item.citations.length,
        annotation: annotationOf(event.citation),
      };
      item.citations.push(event.citation);
      return this.#event('response.output_text.annotation.added', fields);
    }
    if (event.redacted) item.redacted = event.signature;
    else item.signature = event.signature;
    return '';
  }

  #text(item: OpenItem, delta: string, isFirst: boolean): string {
    const { id, outputIndex, head } = item;
    switch (head.kind) {
      case 'text': {
        const isLogged = this.#newLogprobs.length > 0 && item === this.#firstText;
        const logprobs = isLogged ? this.#newLogprobs.splice(0).map(logprobOf) : [];
        return this.#event('response.output_text.delta', { ...placeOf(item), delta, logprobs });
      }
      case 'refusal':
        return this.#event('response.refusal.delta', { ...placeOf(item), delta });
      case 'tool_call':
        return this.#event('response.function_call_arguments.delta', { item_id: id, output_index: outputIndex, delta });
      case 'reasoning': {
        const place = summaryPlaceOf(item);
        const part = { type: 'summary_text', text: '' };
        const opening = isFirst ? this.#event('response.reasoning_summary_part.added', { ...place, part }) : '';
        return opening + this.#event('response.reasoning_summary_text.delta', { ...place, delta });
      }
      case 'image':
        return '';
      default:
        return head satisfies never;
    }
  }

  /** A stream without end would take all memory there is. */
  #hold(characters: number): void {
    this.#heldCharacters += characters;
    if (this.#heldCharacters <= MAX_HELD) return;
    throw new RingsideError(
      'upstream_protocol',
      'The upstream streamed more than an answer in this dialect can repeat.',
    );
  }

  #endHeld(isCut: boolean): string {
    if (this.#held.length === 0) return '';
    const held = this.#held;
    this.#held = [];
    const last = this.#items.size - 1;
    return held.map((item) => this.#done(item, isCut && item.outputIndex === last)).join('');
  }

  #done(item: OpenItem, isCut: boolean): string {
    const part = partOf(item);
    const { id, callId, outputIndex } = item;
    const logprobs = item === this.#firstText ? this.#logprobs : null;
    const whole = itemOf(part, { id, callId, status: isCut ? 'incomplete' : 'completed', logprobs });
    return (
      this.#partDone(item, part, logprobs) +
      this.#event('response.output_item.done', { output_index: outputIndex, item: whole })
    );
  }

  #partDone(item: OpenItem, part: ShownPart, logprobs: readonly TokenLogprob[] | null): string {
    const base = { item_id: item.id, output_index: item.outputIndex };
    switch (part.type) {
      case 'text':
      case 'refusal': {
        const content = contentOf(part, logprobs);
        const place = placeOf(item);
        const done =
          part.type === 'refusal'
            ? this.#event('response.refusal.done', { ...place, refusal: part.text })
            : this.#event('response.output_text.done', { ...place, text: part.text, logprobs: content['logprobs'] });
        return done + this.#event('response.content_part.done', { ...place, part: content });
      }
      case 'tool_call':
        return this.#event('response.function_call_arguments.done', {
          ...base,
          name: part.name,
          arguments: part.arguments,
        });
      case 'reasoning': {
        if (part.text === '') return '';
        const place = summaryPlaceOf(item);
        const summary = { type: 'summary_text', text: part.text };
        return (
          this.#event('response.reasoning_summary_text.done', { ...place, text: part.text }) +
          this.#event('response.reasoning_summary_part.done', { ...place, part: summary })
        );
      }
      case 'image':
        return this.#event('response.image_generation_call.completed', base);
      default:
        return part satisfies never;
    }
  }

  /** The items that carry what has no place in function calls. */
  #signatures(): string {
    let outputIndex = this.#items.size;
    let written = '';
    for (const item of this.#items.values()) {
      const carrier = signatureItem(partOf(item), item.callId, this.#context.inferenceId, outputIndex);
      if (carrier === null) continue;
      written += this.#event('response.output_item.added', { output_index: outputIndex, item: carrier });
      written += this.#event('response.output_item.done', { output_index: outputIndex, item: carrier });
      outputIndex++;
    }
    return written;
  }

  #candidate(): Candidate {
    const parts = [...this.#items.values()].map(partOf);
    return { index: 0, parts, finish: this.#finish, stopSequence: null, logprobs: this.#logprobs };
  }

  #event(type: string, fields: JsonObject): string {
    const data = JSON.stringify({ type, sequence_number: this.#sequence++, ...fields });
    return `event: ${type}\ndata: ${data}\n\n`;
  }
}
