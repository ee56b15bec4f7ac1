import type { AnswerContext } from '../../chat/dialect.ts';
import type { PartDelta, PartHead } from '../../chat/events.ts';
import type { Citation, Signature } from '../../chat/parts.ts';
import type { FinishReason, TokenLogprob } from '../../chat/reply.ts';
import type { JsonRecord } from '../../wires/exact-json.ts';
import { writeFinish } from '../../wires/gemini/finish.ts';
import { type CitedText, writeGrounding } from './write-grounding.ts';
import { isShown, writeCall, writeReasoning } from './write-parts.ts';
import { writeLogprobs } from './write-usage.ts';

interface OpenPart {
  readonly head: PartHead;
  /** What is not written yet: arguments of a call, thoughts that may turn out to be hidden. */
  held: string;
  hasText: boolean;
  signature: Signature | null;
  redacted: Signature | null;
  /** For citations: the text that was written; null once it is too long to keep. */
  text: string | null;
  readonly citations: Citation[];
}

/** Of a longer text the places of citations are not told. */
const MAX_CITED_UNITS = 1_048_576;

/** Writes the parts of one candidate of a stream. Each function returns what can be said now. */
export class CandidateWriter {
  readonly #index: number;
  readonly #context: AnswerContext;
  readonly #parts: OpenPart[] = [];
  #calls = 0;
  #finish: FinishReason | null = null;
  #rawFinish: string | null = null;
  #logprobs: TokenLogprob[] = [];

  constructor(index: number, context: AnswerContext) {
    this.#index = index;
    this.#context = context;
  }

  begin(part: number, head: PartHead): JsonRecord[] {
    this.#parts[part] = { head, held: '', hasText: false, signature: null, redacted: null, text: '', citations: [] };
    if (head.kind !== 'image' && head.kind !== 'audio') return [];
    return [{ inlineData: { mimeType: head.mediaType, data: head.data } }];
  }

  delta(part: number, delta: PartDelta): JsonRecord[] {
    const open = this.#parts[part];
    if (open === undefined) return [];
    switch (delta.kind) {
      case 'text':
        return this.#text(open, delta.text);
      case 'citation':
        open.citations.push(delta.citation);
        return [];
      case 'signature':
        if (delta.redacted) open.redacted = delta.signature;
        else open.signature = delta.signature;
        return [];
      default:
        return delta satisfies never;
    }
  }

  close(part: number): JsonRecord[] {
    const open = this.#parts[part];
    if (open === undefined) return [];
    const { head, held, signature, redacted } = open;
    open.held = '';
    if (head.kind === 'tool_call') {
      const call = { id: head.id, name: head.name, arguments: held, signature };
      return [writeCall(call, this.#index, this.#calls++, this.#context)];
    }
    if (head.kind !== 'reasoning') return [];
    if (!open.hasText || held !== '') return writeReasoning({ text: held, signature, redacted }, this.#context);
    // The thoughts are written: what is left of them is a part that goes on in the same way.
    const [signed] = writeReasoning({ text: '', signature, redacted: null }, this.#context);
    const rest = writeReasoning({ text: '', signature: null, redacted }, this.#context);
    return signed === undefined ? rest : [{ ...signed, thought: true }, ...rest];
  }

  finish(finish: FinishReason, rawFinish: string | null): void {
    this.#finish = finish;
    this.#rawFinish = rawFinish;
  }

  addLogprobs(logprobs: readonly TokenLogprob[]): void {
    for (const logprob of logprobs) this.#logprobs.push(logprob);
  }

  /** The candidate of the last response. SDKs keep no turn of a stream in which a response has no parts. */
  end(): JsonRecord {
    return {
      content: { parts: [{ text: '' }], role: 'model' },
      finishReason: writeFinish(this.#finish, this.#rawFinish),
      index: this.#index,
      groundingMetadata: writeGrounding(this.#cited()),
      logprobsResult: writeLogprobs(this.#logprobs),
    };
  }

  #text(open: OpenPart, text: string): JsonRecord[] {
    open.hasText = true;
    switch (open.head.kind) {
      case 'text':
      case 'refusal':
        if (open.text !== null) open.text = open.text.length > MAX_CITED_UNITS ? null : open.text + text;
        return [{ text }];
      case 'reasoning':
        if (isShown(this.#context, false)) return [{ text, thought: true }];
        open.held += text;
        return [];
      case 'tool_call':
        open.held += text;
        return [];
      case 'image':
      case 'audio':
        return [];
      default:
        return open.head satisfies never;
    }
  }

  /** Hidden thoughts are no parts for the caller. */
  #cited(): CitedText[] {
    const visible = this.#parts.filter(
      ({ head, signature, redacted }) =>
        head.kind !== 'reasoning' || redacted !== null || isShown(this.#context, signature !== null),
    );
    return visible.flatMap(({ head, text, citations }, partIndex) =>
      head.kind === 'text' ? [{ partIndex, text, citations }] : [],
    );
  }
}
