import type { AnswerContext, StreamWriter } from '../../chat/dialect.ts';
import type { ChatEvent } from '../../chat/events.ts';
import type { Citation, Signature } from '../../chat/parts.ts';
import {
  callIdOf,
  completionId,
  type PlacedCitation,
  writeAudio,
  writeCallSignature,
  writeExtras,
  writeFinish,
  writeLogprobs,
  writeUsage,
} from './chat-message.ts';

/** A sign of life: a comment, which no client takes for an event (WHATWG HTML, section 9.2.6). */
export const KEEP_ALIVE = ': keep-alive\n\n';

/** Longer thoughts go without their signatures: they have to be held for those. */
const MAX_HELD_THOUGHTS = 4 * 1024 * 1024;

type Head = Extract<ChatEvent, { type: 'begin' }>;
type Delta = Extract<ChatEvent, { type: 'delta' }>;

interface WrittenCandidate {
  hasRefusal: boolean;
  calls: number;
  textLength: number;
  readonly parts: WrittenPart[];
  readonly citations: PlacedCitation[];
  readonly images: string[];
}

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

/**
 * Writes chunks as OpenAI does: the role first, each delta as it comes, the finish reason, the usage if it was asked for. Signed thoughts,
 * citations and images come once, in a delta before the finish reason: clients that put deltas together replace a list by the next.
 */
export function openWriter(context: AnswerContext): StreamWriter {
  const { inferenceId, createdUnixS, request } = context;
  const candidates: WrittenCandidate[] = [];
  const tail = request.streamUsage ? ',"usage":null}\n\n' : '}\n\n';
  let head = '';

  const chunk = (index: number, delta: object, finish: string | null = null, logprobs: object | null = null) =>
    `${head}${JSON.stringify([{ index, delta, logprobs, finish_reason: finish }])}${tail}`;

  /** The role, once per candidate; the candidate's other chunks follow it. */
  const introduce = (index: number): string => {
    let text = '';
    while (candidates.length <= index) {
      text += chunk(candidates.length, { role: 'assistant' });
      candidates.push({ hasRefusal: false, calls: 0, textLength: 0, parts: [], citations: [], images: [] });
    }
    return text;
  };

  const start = (id: string | null, model: string | null) => {
    const identity = {
      id: completionId(id, inferenceId),
      object: 'chat.completion.chunk',
      created: createdUnixS,
      model: model ?? request.model,
    };
    head = `data: ${JSON.stringify(identity).slice(0, -1)},"choices":`;
    return introduce(0);
  };

  const begin = (event: Head, candidate: WrittenCandidate): string => {
    const callIndex = event.kind === 'tool_call' ? candidate.calls++ : -1;
    candidate.parts[event.part] = {
      kind: event.kind,
      callIndex,
      from: candidate.textLength,
      citations: [],
      held: [],
      heldLength: 0,
      signature: null,
      redacted: null,
    };
    switch (event.kind) {
      case 'tool_call': {
        const id = callIdOf(event.id, inferenceId, event.candidate, callIndex);
        const call = { index: callIndex, id, type: 'function', function: { name: event.name, arguments: '' } };
        return chunk(event.candidate, { tool_calls: [call] });
      }
      case 'refusal':
        candidate.hasRefusal = true;
        return '';
      case 'image':
        candidate.images.push(`data:${event.mediaType};base64,${event.data}`);
        return '';
      case 'audio':
        return chunk(event.candidate, { audio: writeAudio(event.data, inferenceId) });
      case 'text':
      case 'reasoning':
        return '';
      default:
        return event satisfies never;
    }
  };

  const proceed = (event: Delta, candidate: WrittenCandidate): string => {
    const part = candidate.parts[event.part];
    if (part === undefined) return '';
    switch (event.kind) {
      case 'text':
        return chunk(event.candidate, deltaOf(part, event.text, candidate));
      case 'citation':
        part.citations.push(event.citation);
        return '';
      case 'signature': {
        if (event.redacted) part.redacted = event.signature;
        else part.signature = event.signature;
        if (part.kind !== 'tool_call') return '';
        const call = { index: part.callIndex, ...writeCallSignature(event.signature) };
        return chunk(event.candidate, { tool_calls: [call] });
      }
      default:
        return event satisfies never;
    }
  };

  const finish = (event: Extract<ChatEvent, { type: 'finish' }>, candidate: WrittenCandidate): string => {
    const reasoning = candidate.parts.filter(({ kind }) => kind === 'reasoning');
    const isHeld = reasoning.every(({ heldLength }) => heldLength <= MAX_HELD_THOUGHTS);
    const thoughts = reasoning.map(({ held, ...part }) => ({ ...part, text: held.join('') }));
    const extras = writeExtras(isHeld ? thoughts : [], candidate.citations, candidate.images);
    const last = Object.keys(extras).length === 0 ? '' : chunk(event.candidate, extras);
    return last + chunk(event.candidate, {}, writeFinish(event.finish, candidate.hasRefusal));
  };

  return {
    // hot
    write(event) {
      switch (event.type) {
        case 'delta':
          return introduce(event.candidate) + proceed(event, candidates[event.candidate]!);
        case 'begin':
          return introduce(event.candidate) + begin(event, candidates[event.candidate]!);
        case 'close':
          closeText(candidates[event.candidate], event.part);
          return '';
        case 'finish':
          return introduce(event.candidate) + finish(event, candidates[event.candidate]!);
        case 'logprobs':
          return introduce(event.candidate) + chunk(event.candidate, {}, null, writeLogprobs(event.logprobs));
        case 'start':
          return start(event.id, event.model);
        case 'usage': {
          const usage = request.streamUsage ? writeUsage(event.usage) : null;
          return usage === null ? '' : `${head}[],"usage":${JSON.stringify(usage)}}\n\n`;
        }
        case 'alive':
          return KEEP_ALIVE;
        default:
          return event satisfies never;
      }
    },
    end: () => 'data: [DONE]\n\n',
  };
}

function deltaOf(part: WrittenPart, text: string, candidate: WrittenCandidate): object {
  switch (part.kind) {
    case 'text':
      candidate.textLength += text.length;
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
      return {};
    default:
      return part.kind satisfies never;
  }
}

/** Only now it is known how far the text reaches that the citations are for. */
function closeText(candidate: WrittenCandidate | undefined, index: number): void {
  const part = candidate?.parts[index];
  if (candidate === undefined || part === undefined) return;
  const to = candidate.textLength;
  candidate.citations.push(...part.citations.splice(0).map((citation) => ({ citation, from: part.from, to })));
}
