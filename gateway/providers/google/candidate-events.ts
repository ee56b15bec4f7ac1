import { RingsideError } from '#core/errors.ts';
import type { ChatEvent, PartHead } from '#translation/chat/events.ts';
import type { Signature } from '#translation/chat/parts.ts';
import { isRecord, type JsonRecord } from '#translation/wires/exact-json.ts';
import { readFinish } from '#translation/wires/gemini/finish.ts';
import { readCitations } from './citations.ts';
import { readLogprobs } from './logprobs.ts';

type Emit = (event: ChatEvent) => void;
type Streamed = 'text' | 'reasoning';

/** Of a longer text the places of citations are not told. */
const MAX_CITED_UNITS = 1_048_576;

/**
 * The events of one candidate. Its texts and thoughts come in pieces that do not say whether they go on: neighbours of a kind are one
 * part, until a signature closes it.
 *
 *   idle ──text or thought──▶ open ──another kind, a signature, end()──▶ idle
 *      └──call, image, recording (whole at once)──▶ idle
 */
export class CandidateEvents {
  readonly #candidate: number;
  #open: { readonly kind: Streamed; readonly part: number } | null = null;
  #parts = 0;
  #hasCalls = false;
  #finish: string | null = null;
  /** The text part, for the places of citations; null once there are two, or it is too long. */
  #text: string | null = '';
  #textParts = 0;
  #grounding: unknown;
  #citations: unknown;

  constructor(candidate: number) {
    this.#candidate = candidate;
  }

  get isFinished(): boolean {
    return this.#finish !== null;
  }

  take(candidate: JsonRecord, emit: Emit): void {
    const { content, finishReason, groundingMetadata, citationMetadata, logprobsResult } = candidate;
    const parts = isRecord(content) && Array.isArray(content['parts']) ? content['parts'] : [];
    for (const part of parts) if (isRecord(part)) this.#takePart(part, emit);
    const logprobs = readLogprobs(logprobsResult);
    if (logprobs.length > 0) emit({ type: 'logprobs', candidate: this.#candidate, logprobs });
    // The newest holds what those before it held.
    this.#grounding = groundingMetadata ?? this.#grounding;
    this.#citations = citationMetadata ?? this.#citations;
    if (typeof finishReason === 'string' && finishReason !== '') this.#finish = finishReason;
  }

  end(emit: Emit): void {
    this.#cite(emit);
    this.#close(emit);
    const finish = readFinish(this.#finish ?? '', this.#hasCalls);
    emit({ type: 'finish', candidate: this.#candidate, finish, rawFinish: this.#finish, stopSequence: null });
  }

  #takePart(part: JsonRecord, emit: Emit): void {
    const value = part['thoughtSignature'];
    const signature: Signature | null = typeof value === 'string' && value !== '' ? { origin: 'google', value } : null;
    const { text, functionCall, inlineData } = part;
    if (typeof text === 'string') this.#takeText(text, part['thought'] === true, signature, emit);
    else if (isRecord(functionCall)) this.#takeCall(functionCall, signature, emit);
    else if (isRecord(inlineData)) this.#takeMedia(inlineData, signature, emit);
    // Code that Google runs itself comes only where it was asked for, which no translated request can.
  }

  #takeText(text: string, isThought: boolean, signature: Signature | null, emit: Emit): void {
    const kind = isThought ? 'reasoning' : 'text';
    if (text !== '') {
      const part = this.#open?.kind === kind ? this.#open.part : this.#begin({ kind }, emit);
      this.#open = { kind, part };
      emit({ type: 'delta', candidate: this.#candidate, part, kind: 'text', text });
      if (kind === 'text') this.#note(text);
    }
    if (signature === null) return;
    if (kind === 'reasoning' && this.#open?.kind === 'reasoning') {
      this.#sign(this.#open.part, signature, emit);
      this.#close(emit);
    } else this.#signAlone(signature, emit);
  }

  /** A signature behind a text: a part of its own without thoughts. */
  #signAlone(signature: Signature, emit: Emit): void {
    const part = this.#begin({ kind: 'reasoning' }, emit);
    this.#sign(part, signature, emit);
    emit({ type: 'close', candidate: this.#candidate, part });
  }

  #takeCall({ id, name, args, partialArgs }: JsonRecord, signature: Signature | null, emit: Emit): void {
    if (partialArgs !== undefined || typeof name !== 'string' || (args !== undefined && !isRecord(args))) {
      throw new RingsideError('upstream_protocol', 'The upstream sent a function call that cannot be read.');
    }
    this.#hasCalls = true;
    const part = this.#begin({ kind: 'tool_call', id: typeof id === 'string' && id !== '' ? id : null, name }, emit);
    const text = JSON.stringify(args ?? {});
    emit({ type: 'delta', candidate: this.#candidate, part, kind: 'text', text });
    if (signature !== null) this.#sign(part, signature, emit);
    emit({ type: 'close', candidate: this.#candidate, part });
  }

  #takeMedia({ mimeType, data }: JsonRecord, signature: Signature | null, emit: Emit): void {
    if (typeof mimeType !== 'string' || typeof data !== 'string') return;
    const kind = mimeType.startsWith('image/') ? 'image' : mimeType.startsWith('audio/') ? 'audio' : null;
    if (kind === null) return;
    const part = this.#begin({ kind, mediaType: mimeType, data }, emit);
    emit({ type: 'close', candidate: this.#candidate, part });
    if (signature !== null) this.#signAlone(signature, emit);
  }

  #cite(emit: Emit): void {
    const text = this.#textParts === 1 ? this.#text : null;
    const citations = readCitations(this.#grounding, this.#citations, text);
    if (citations.length === 0) return;
    const part = this.#open?.kind === 'text' ? this.#open.part : this.#begin({ kind: 'text' }, emit);
    this.#open = { kind: 'text', part };
    for (const citation of citations) {
      emit({ type: 'delta', candidate: this.#candidate, part, kind: 'citation', citation });
    }
  }

  #note(text: string): void {
    if (this.#text === null) return;
    this.#text = this.#text.length + text.length > MAX_CITED_UNITS ? null : this.#text + text;
  }

  #sign(part: number, signature: Signature, emit: Emit): void {
    emit({ type: 'delta', candidate: this.#candidate, part, kind: 'signature', signature, redacted: false });
  }

  #begin(head: PartHead, emit: Emit): number {
    this.#close(emit);
    const part = this.#parts++;
    if (head.kind === 'text') this.#textParts++;
    emit({ type: 'begin', candidate: this.#candidate, part, ...head });
    return part;
  }

  #close(emit: Emit): void {
    if (this.#open === null) return;
    emit({ type: 'close', candidate: this.#candidate, part: this.#open.part });
    this.#open = null;
  }
}
