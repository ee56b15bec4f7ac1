import type { CustomChat } from '#core/custom-provider.ts';
import { RingsideError } from '#core/errors.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { StreamReader } from '#translation/chat/provider.ts';
import type { ChatUsage } from '#translation/chat/reply.ts';
import { openEventStream } from '#translation/chat/sse.ts';
import { compileFinish, compileUsage, type Finish } from './answer-facts.ts';
import { parseJson } from './chat-reply.ts';
import { openLines } from './lines.ts';
import { compileOptional, compilePointer, type Lookup } from './pointer.ts';

type Declared = NonNullable<CustomChat['stream']>;

/** A stream's declaration made ready. */
interface Reading {
  readonly framing: Declared['framing'];
  readonly delta: Lookup;
  readonly reasoning: Lookup;
  readonly error: Lookup;
  readonly finish: (event: unknown) => Finish | null;
  readonly usage: (event: unknown) => ChatUsage | null;
  /** The text of the event that ends it; null: none does. */
  readonly doneData: string | null;
  readonly isDone: (event: unknown) => boolean;
  /** What must have been seen before the upstream closes it. */
  readonly needs: 'done' | 'finish' | 'nothing';
}

/** Compiles how a stream is read. */
export function compileStream(declared: Declared): () => StreamReader {
  const { done } = declared;
  const doneAt = done !== undefined && 'at' in done ? compilePointer(done.at) : null;
  const reading: Reading = {
    framing: declared.framing,
    delta: compilePointer(declared.delta),
    reasoning: compileOptional(declared.reasoningDelta),
    error: compileOptional(declared.error),
    finish: compileFinish(declared.finishReason),
    usage: compileUsage(declared.usage),
    doneData: done !== undefined && 'data' in done ? done.data : null,
    isDone: (event) => doneAt !== null && done !== undefined && 'at' in done && doneAt(event) === done.equals,
    needs: done !== undefined ? 'done' : declared.finishReason !== undefined ? 'finish' : 'nothing',
  };
  return () => new TemplateReader(reading);
}

/**
 *   waiting ─first event─▶ open ─done, or closed─▶ over
 *                            └──── an error ─────▶ over      (what follows is dropped)
 */
class TemplateReader implements StreamReader {
  #state: 'waiting' | 'open' | 'over' = 'waiting';
  #emit: (event: ChatEvent) => void = () => {};
  #part: { readonly kind: 'text' | 'reasoning'; readonly index: number } | null = null;
  #parts = 0;
  #finish: Finish | null = null;
  #usage: ChatUsage | null = null;
  readonly #reading: Reading;
  readonly #events;

  constructor(reading: Reading) {
    this.#reading = reading;
    const take = (data: string) => this.#take(data);
    this.#events = reading.framing === 'sse' ? openEventStream(take) : openLines(take);
  }

  push(chunk: Buffer, emit: (event: ChatEvent) => void): void {
    this.#emit = emit;
    if (this.#state !== 'over') this.#events.push(chunk);
  }

  close(emit: (event: ChatEvent) => void): void {
    this.#emit = emit;
    if (this.#state === 'over') return;
    this.#events.close();
    if (this.#isOver()) return;
    const { needs } = this.#reading;
    // A stream whose end is told by an event is not over where it is closed, but for one that gave its reason to end.
    if (this.#state === 'waiting' || (needs !== 'nothing' && this.#finish === null)) {
      throw new RingsideError('upstream_protocol', 'The upstream broke its stream off.');
    }
    this.#end();
  }

  /** A call: the compiler takes no notice of what the events changed. */
  #isOver(): boolean {
    return this.#state === 'over';
  }

  #take(data: string): void {
    if (this.#isOver()) return;
    if (this.#reading.doneData !== null && data.trim() === this.#reading.doneData) {
      this.#start();
      return this.#end();
    }
    const event = parseJson(data);
    const error = this.#reading.error(event);
    if (error !== undefined && error !== null && error !== false) {
      this.#state = 'over';
      return this.#emit({ type: 'error', status: null, body: Buffer.from(data) });
    }
    this.#start();
    this.#add('reasoning', this.#reading.reasoning(event));
    this.#add('text', this.#reading.delta(event));
    this.#finish = this.#reading.finish(event) ?? this.#finish;
    this.#usage = this.#reading.usage(event) ?? this.#usage;
    if (this.#reading.isDone(event)) this.#end();
  }

  #start(): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'open';
    this.#emit({ type: 'start', id: null, model: null, usage: null });
  }

  #add(kind: 'text' | 'reasoning', text: unknown): void {
    if (typeof text !== 'string' || text === '') return;
    if (this.#part?.kind !== kind) {
      this.#closePart();
      this.#part = { kind, index: this.#parts++ };
      this.#emit({ type: 'begin', candidate: 0, part: this.#part.index, kind });
    }
    this.#emit({ type: 'delta', candidate: 0, part: this.#part.index, kind: 'text', text });
  }

  #closePart(): void {
    if (this.#part !== null) this.#emit({ type: 'close', candidate: 0, part: this.#part.index });
    this.#part = null;
  }

  #end(): void {
    this.#state = 'over';
    this.#closePart();
    const { finish, rawFinish } = this.#finish ?? { finish: 'stop', rawFinish: null };
    this.#emit({ type: 'finish', candidate: 0, finish, rawFinish, stopSequence: null });
    if (this.#usage !== null) this.#emit({ type: 'usage', usage: this.#usage });
    this.#emit({ type: 'end' });
  }
}
