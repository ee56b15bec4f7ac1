import { RingsideError } from '#core/errors.ts';
import type { ChatEvent, PartDelta, PartHead } from '../../chat/events.ts';
import { MAX_EVENT_BYTES } from '../../chat/provider.ts';
import { type Piece, type ReadFinish, readFinish, readLogprobs, readPieces } from './choice.ts';
import { type Json, objectOf } from './json.ts';

/** More calls than any model makes at once: each fragment is looked for among them. */
const MAX_CALLS = 1_024;

type Emit = (event: ChatEvent) => void;

interface OpenCall {
  readonly index: number | null;
  readonly id: string | null;
  /** Null until it is named: nothing has been said of it before. */
  part: number | null;
  /** Arguments that came before the name. */
  held: string;
}

/**
 * One choice of a stream: its deltas become parts.
 *
 *   text, reasoning, refusal: one of them is open at a time, and closed by whatever else begins
 *   tool calls: all stay open to the end, because some servers send their fragments in turns
 */
export class StreamChoice {
  readonly #candidate: number;
  #parts = 0;
  #prose: { readonly kind: 'text' | 'reasoning' | 'refusal'; readonly part: number } | null = null;
  readonly #calls: OpenCall[] = [];
  #sawRefusal = false;
  #finish: ReadFinish | null = null;

  constructor(candidate: number) {
    this.#candidate = candidate;
  }

  get isFinished(): boolean {
    return this.#finish !== null;
  }

  take(choice: Json, emit: Emit): void {
    for (const piece of readPieces(objectOf(choice['delta']))) this.#takePiece(piece, emit);
    const logprobs = readLogprobs(choice['logprobs']);
    if (logprobs !== null && logprobs.length > 0) emit({ type: 'logprobs', candidate: this.#candidate, logprobs });
    const finish = readFinish(choice, { calls: this.#calls.length > 0, refusal: this.#sawRefusal });
    // Azure's asynchronous filter may stop an answer that has ended already.
    if (finish?.finish === 'content_filter') this.#finish = finish;
    else this.#finish ??= finish;
  }

  /** Closes what is open and says why it ended. Only now: some servers say more behind the finish reason. */
  end(emit: Emit): void {
    this.#closeProse(emit);
    for (const call of this.#calls) {
      if (call.part === null) this.#beginCall(call, '', emit);
      emit({ type: 'close', candidate: this.#candidate, part: call.part! });
    }
    const { finish, raw, stopSequence } = this.#finish ?? { finish: 'other', raw: null, stopSequence: null };
    emit({ type: 'finish', candidate: this.#candidate, finish, rawFinish: raw, stopSequence });
  }

  #takePiece(piece: Piece, emit: Emit): void {
    switch (piece.kind) {
      case 'text':
      case 'reasoning':
      case 'refusal':
        this.#sawRefusal ||= piece.kind === 'refusal';
        return this.#delta(this.#proseOf(piece.kind, emit), { kind: 'text', text: piece.text }, emit);
      case 'citation':
        return this.#delta(this.#proseOf('text', emit), piece, emit);
      case 'call':
        return this.#takeCall(piece, emit);
      default:
        piece satisfies never;
    }
  }

  #proseOf(kind: 'text' | 'reasoning' | 'refusal', emit: Emit): number {
    if (this.#prose?.kind === kind) return this.#prose.part;
    this.#closeProse(emit);
    const part = this.#begin({ kind }, emit);
    this.#prose = { kind, part };
    return part;
  }

  #closeProse(emit: Emit): void {
    if (this.#prose !== null) emit({ type: 'close', candidate: this.#candidate, part: this.#prose.part });
    this.#prose = null;
  }

  #takeCall(piece: Extract<Piece, { kind: 'call' }>, emit: Emit): void {
    let call = this.#callOf(piece);
    if (call === null) {
      this.#closeProse(emit);
      if (this.#calls.length === MAX_CALLS) {
        throw new RingsideError('upstream_protocol', `The upstream sent more than ${MAX_CALLS} tool calls.`);
      }
      call = { index: piece.index, id: piece.id, part: null, held: '' };
      this.#calls.push(call);
    }
    if (call.part === null) {
      call.held += piece.arguments;
      if (call.held.length > MAX_EVENT_BYTES) {
        throw new RingsideError('upstream_protocol', 'The upstream sent the arguments of a call that has no name.');
      }
      if (piece.name !== null) this.#beginCall(call, piece.name, emit);
    } else if (piece.arguments !== '') this.#delta(call.part, { kind: 'text', text: piece.arguments }, emit);
  }

  /** The call that a fragment goes on with. Servers that number badly (all 0, or not at all) give each call an id. */
  #callOf({ index, id, name }: Extract<Piece, { kind: 'call' }>): OpenCall | null {
    const named = id === null ? undefined : this.#calls.find((call) => call.id === id);
    if (named !== undefined) return named;
    const found = index === null ? this.#calls.at(-1) : this.#calls.findLast((call) => call.index === index);
    if (found === undefined) return null;
    const isAnother = id !== null && found.id !== null && id !== found.id;
    const isUnnumbered = index === null && id === null && name !== null && found.part !== null;
    return isAnother || isUnnumbered ? null : found;
  }

  #beginCall(call: OpenCall, name: string, emit: Emit): void {
    call.part = this.#begin({ kind: 'tool_call', id: call.id, name }, emit);
    if (call.held !== '') this.#delta(call.part, { kind: 'text', text: call.held }, emit);
    call.held = '';
  }

  #begin(head: PartHead, emit: Emit): number {
    const part = this.#parts++;
    emit({ type: 'begin', candidate: this.#candidate, part, ...head });
    return part;
  }

  #delta(part: number, delta: PartDelta, emit: Emit): void {
    emit({ type: 'delta', candidate: this.#candidate, part, ...delta });
  }
}
