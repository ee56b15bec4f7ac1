import type { ChatEvent } from './events.ts';
import type { Citation, ModelPart, Signature } from './parts.ts';
import type { Candidate, ChatReply, ChatUsage, FinishReason, TokenLogprob } from './reply.ts';

interface OpenPart {
  readonly head: Extract<ChatEvent, { type: 'begin' }>;
  text: string[];
  citations: Citation[];
  signature: Signature | null;
  redacted: Signature | null;
}

interface OpenCandidate {
  readonly parts: OpenPart[];
  finish: FinishReason | null;
  stopSequence: string | null;
  logprobs: TokenLogprob[] | null;
}

/** Puts the events of a stream together to the answer that the same request without streaming gets. */
export class ReplyCollector {
  #id: string | null = null;
  #model: string | null = null;
  #usage: ChatUsage | null = null;
  #rawFinish: string | null = null;
  readonly #candidates: OpenCandidate[] = [];

  take(event: ChatEvent): void {
    switch (event.type) {
      case 'start':
        this.#id = event.id;
        this.#model = event.model;
        this.#usage ??= event.usage;
        return;
      case 'begin':
        this.#candidate(event.candidate).parts[event.part] = {
          head: event,
          text: [],
          citations: [],
          signature: null,
          redacted: null,
        };
        return;
      case 'delta':
        return add(this.#candidate(event.candidate).parts[event.part]!, event);
      case 'finish': {
        const candidate = this.#candidate(event.candidate);
        candidate.finish = event.finish;
        candidate.stopSequence = event.stopSequence;
        if (event.candidate === 0) this.#rawFinish = event.rawFinish;
        return;
      }
      case 'logprobs': {
        const candidate = this.#candidate(event.candidate);
        candidate.logprobs = [...(candidate.logprobs ?? []), ...event.logprobs];
        return;
      }
      case 'usage':
        this.#usage = event.usage;
        return;
      case 'close':
      case 'alive':
      case 'end':
      case 'error':
        return;
      default:
        event satisfies never;
    }
  }

  reply(): ChatReply {
    return {
      id: this.#id,
      model: this.#model,
      usage: this.#usage,
      rawFinish: this.#rawFinish,
      candidates: [...this.#candidates].map(
        (candidate, index): Candidate => ({
          index,
          parts: candidate.parts.map(close),
          finish: candidate.finish,
          stopSequence: candidate.stopSequence,
          logprobs: candidate.logprobs,
        }),
      ),
    };
  }

  #candidate(index: number): OpenCandidate {
    while (this.#candidates.length <= index) {
      this.#candidates.push({ parts: [], finish: null, stopSequence: null, logprobs: null });
    }
    return this.#candidates[index]!;
  }
}

function add(part: OpenPart, delta: Extract<ChatEvent, { type: 'delta' }>): void {
  if (delta.kind === 'text') part.text.push(delta.text);
  else if (delta.kind === 'citation') part.citations.push(delta.citation);
  else if (delta.redacted) part.redacted = delta.signature;
  else part.signature = delta.signature;
}

function close({ head, text, citations, signature, redacted }: OpenPart): ModelPart {
  const base = { at: '', cache: null };
  const whole = text.join('');
  switch (head.kind) {
    case 'text':
      return { ...base, type: 'text', text: whole, citations };
    case 'refusal':
      return { ...base, type: 'refusal', text: whole };
    case 'reasoning':
      return { ...base, type: 'reasoning', text: whole, signature, redacted };
    case 'tool_call':
      return { ...base, type: 'tool_call', id: head.id, name: head.name, arguments: whole, signature };
    case 'audio':
    case 'image': {
      const source = { kind: 'base64', mediaType: head.mediaType, data: head.data } as const;
      return head.kind === 'audio'
        ? { ...base, type: 'audio', source }
        : { ...base, type: 'image', source, detail: null };
    }
    default:
      return head satisfies never;
  }
}
