import { RingsideError } from '#core/errors.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { type ChatUsage, NO_USAGE } from '#translation/chat/reply.ts';
import { isRecord, type JsonRecord } from '#translation/wires/exact-json.ts';
import { CandidateEvents } from './candidate-events.ts';
import { readUsage } from './usage.ts';

type Emit = (event: ChatEvent) => void;

/** The API makes 8 at most. */
const MAX_CANDIDATES = 128;

/**
 * Turns the responses of a stream (all of them are a GenerateContentResponse), or the only one of a plain answer, into events, so that
 * both read alike.
 *
 *   fresh ──first response──▶ begun ──end()──▶ over
 *
 * Nothing in a response says that it is the last, and the usage counts up from one to the next: finish reasons and usage are told at the end.
 */
export class ResponseEvents {
  #begun = false;
  #usage: ChatUsage | null = null;
  #blockReason: string | null = null;
  readonly #candidates: CandidateEvents[] = [];

  take(response: JsonRecord, emit: Emit): void {
    const usage = readUsage(response['usageMetadata']);
    this.#usage = usage ?? this.#usage;
    if (!this.#begun) {
      this.#begun = true;
      emit({
        type: 'start',
        id: textOf(response['responseId']),
        model: textOf(response['modelVersion']),
        // What is generated is not known yet.
        usage: usage && { ...NO_USAGE, inputTokens: usage.inputTokens, cachedTokens: usage.cachedTokens },
      });
    }
    const feedback = response['promptFeedback'];
    if (isRecord(feedback)) this.#blockReason = textOf(feedback['blockReason']) ?? this.#blockReason;
    const candidates = Array.isArray(response['candidates']) ? response['candidates'] : [];
    candidates.forEach((candidate: unknown, position) => {
      if (isRecord(candidate)) this.#candidate(candidate['index'] ?? position).take(candidate, emit);
    });
  }

  /** The last response has come. Throws `upstream_protocol` where it cannot have been the last. */
  end(emit: Emit): void {
    const isBlocked = this.#blockReason !== null && this.#candidates.length === 0;
    if (!this.#begun) throw broken('The upstream sent no answer.');
    if (!isBlocked && (this.#candidates.length === 0 || this.#candidates.some(({ isFinished }) => !isFinished))) {
      throw broken('The upstream ended its answer before it was whole.');
    }
    for (const candidate of this.#candidates) candidate.end(emit);
    if (isBlocked) {
      const [candidate, stopSequence] = [0, null];
      emit({ type: 'finish', candidate, finish: 'content_filter', rawFinish: this.#blockReason, stopSequence });
    }
    if (this.#usage !== null) emit({ type: 'usage', usage: this.#usage });
    emit({ type: 'end' });
  }

  #candidate(index: unknown): CandidateEvents {
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= MAX_CANDIDATES) {
      throw broken('The upstream numbers its candidates in an unknown way.');
    }
    while (this.#candidates.length <= index) this.#candidates.push(new CandidateEvents(this.#candidates.length));
    return this.#candidates[index]!;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function broken(message: string): RingsideError {
  return new RingsideError('upstream_protocol', message);
}
