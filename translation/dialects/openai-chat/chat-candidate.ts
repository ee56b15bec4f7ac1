import type { ChatEvent } from '../../chat/events.ts';
import type { Citation, Signature } from '../../chat/parts.ts';
import {
  callIdOf,
  type PlacedCitation,
  writeAudio,
  writeCallSignature,
  writeExtras,
  writeFinish,
} from './chat-message.ts';

/** Longer thoughts go without their signatures: they have to be held for those. */
const MAX_HELD_THOUGHTS = 4 * 1024 * 1024;

type Head = Extract<ChatEvent, { type: 'begin' }>;
type Delta = Extract<ChatEvent, { type: 'delta' }>;
type Finish = Extract<ChatEvent, { type: 'finish' }>;

interface WrittenPart {
  readonly kind: Head['kind'];
  /** Of a tool call: its place among the calls. */
  readonly callIndex: number;
  /** Of a text: where it begins in the message. */
  readonly from: number;
  readonly citations: Citation[];
  /** Of thoughts: what has come, for the signature that comes last. */
  readonly held: string[];
  heldLength: number;
  signature: Signature | null;
  redacted: Signature | null;
}

/** What one candidate's events become: deltas of its message; null where one becomes nothing (yet). */
export class CandidateWriter {
  readonly #inferenceId: string;
  readonly #parts: WrittenPart[] = [];
  readonly #citations: PlacedCitation[] = [];
  readonly #images: string[] = [];
  #hasRefusal = false;
  #calls = 0;
  #textLength = 0;

  constructor(inferenceId: string) {
    this.#inferenceId = inferenceId;
  }

  begin(event: Head): object | null {
    const callIndex = event.kind === 'tool_call' ? this.#calls++ : -1;
    this.#parts[event.part] = {
      kind: event.kind,
      callIndex,
      from: this.#textLength,
      citations: [],
      held: [],
      heldLength: 0,
      signature: null,
      redacted: null,
    };
    switch (event.kind) {
      case 'tool_call': {
        const id = callIdOf(event.id, this.#inferenceId, event.candidate, callIndex);
        const call = { index: callIndex, id, type: 'function', function: { name: event.name, arguments: '' } };
        return { tool_calls: [call] };
      }
      case 'refusal':
        this.#hasRefusal = true;
        return null;
      case 'image':
        this.#images.push(`data:${event.mediaType};base64,${event.data}`);
        return null;
      case 'audio':
        return { audio: writeAudio(event.data, this.#inferenceId) };
      case 'text':
      case 'reasoning':
        return null;
      default:
        return event satisfies never;
    }
  }

  proceed(event: Delta): object | null {
    const part = this.#parts[event.part];
    if (part === undefined) return null;
    switch (event.kind) {
      case 'text':
        return this.#writeText(part, event.text);
      case 'citation':
        part.citations.push(event.citation);
        return null;
      case 'signature':
        if (event.redacted) part.redacted = event.signature;
        else part.signature = event.signature;
        if (part.kind !== 'tool_call') return null;
        return { tool_calls: [{ index: part.callIndex, ...writeCallSignature(event.signature) }] };
      default:
        return event satisfies never;
    }
  }

  /** Only now it is known how far the text reaches that the citations are for. */
  close(index: number): void {
    const part = this.#parts[index];
    if (part === undefined) return;
    const [from, to] = [part.from, this.#textLength];
    this.#citations.push(...part.citations.splice(0).map((citation) => ({ citation, from, to })));
  }

  /** What is said once, behind all other deltas; null if there is nothing. */
  extras(): object | null {
    const reasoning = this.#parts.filter(({ kind }) => kind === 'reasoning');
    const isHeld = reasoning.every(({ heldLength }) => heldLength <= MAX_HELD_THOUGHTS);
    const thoughts = reasoning.map(({ held, ...part }) => ({ ...part, text: held.join('') }));
    const extras = writeExtras(isHeld ? thoughts : [], this.#citations, this.#images);
    return Object.keys(extras).length === 0 ? null : extras;
  }

  finishReason({ finish }: Finish): string {
    return writeFinish(finish, this.#hasRefusal);
  }

  #writeText(part: WrittenPart, text: string): object | null {
    switch (part.kind) {
      case 'text':
        this.#textLength += text.length;
        return { content: text };
      case 'refusal':
        return { refusal: text };
      case 'reasoning':
        part.heldLength += text.length;
        if (part.heldLength <= MAX_HELD_THOUGHTS) part.held.push(text);
        return { reasoning_content: text };
      case 'tool_call':
        return { tool_calls: [{ index: part.callIndex, function: { arguments: text } }] };
      case 'image':
      case 'audio':
        return null;
      default:
        return part.kind satisfies never;
    }
  }
}
