import type { AnswerContext, StreamWriter } from '../../chat/dialect.ts';
import type { ChatEvent } from '../../chat/events.ts';
import { CandidateWriter } from './chat-candidate.ts';
import { completionId, writeLogprobs, writeUsage } from './chat-message.ts';

/** A sign of life: a comment, which no client takes for an event (WHATWG HTML, section 9.2.6). */
export const KEEP_ALIVE = ': keep-alive\n\n';

type WrittenEvent = Parameters<StreamWriter['write']>[0];

/**
 * Writes chunks as OpenAI does: the role first, each delta as it comes, the finish reason, the usage if it was asked for. Signed thoughts,
 * citations and images come once, in a delta before the finish reason: clients that put deltas together replace a list by the next.
 */
export function openWriter({ inferenceId, createdUnixS, request }: AnswerContext): StreamWriter {
  const candidates: CandidateWriter[] = [];
  const tail = request.streamUsage ? ',"usage":null}\n\n' : '}\n\n';
  let head = '';

  const chunk = (index: number, delta: object | null, finish: string | null = null, logprobs: object | null = null) =>
    delta === null ? '' : `${head}${JSON.stringify([{ index, delta, logprobs, finish_reason: finish }])}${tail}`;

  /** The role, once per candidate: its other chunks follow. */
  const introduce = (index: number): string => {
    let text = '';
    for (; candidates.length <= index; candidates.push(new CandidateWriter(inferenceId))) {
      text += chunk(candidates.length, { role: 'assistant' });
    }
    return text;
  };

  const start = ({ id, model }: Extract<ChatEvent, { type: 'start' }>) => {
    const identity = {
      id: completionId(id, inferenceId),
      object: 'chat.completion.chunk',
      created: createdUnixS,
      model: model ?? request.model,
    };
    head = `data: ${JSON.stringify(identity).slice(0, -1)},"choices":`;
    return introduce(0);
  };

  const writeCandidate = (event: Extract<WrittenEvent, { candidate: number }>): string => {
    const index = event.candidate;
    const role = introduce(index);
    const candidate = candidates[index]!;
    switch (event.type) {
      case 'delta':
        return role + chunk(index, candidate.proceed(event));
      case 'begin':
        return role + chunk(index, candidate.begin(event));
      case 'close':
        candidate.close(event.part);
        return role;
      case 'logprobs':
        return role + chunk(index, {}, null, writeLogprobs(event.logprobs));
      case 'finish':
        return role + chunk(index, candidate.extras()) + chunk(index, {}, candidate.finishReason(event));
      default:
        return event satisfies never;
    }
  };

  return {
    // hot
    write(event) {
      switch (event.type) {
        case 'start':
          return start(event);
        case 'usage': {
          const usage = request.streamUsage ? writeUsage(event.usage) : null;
          return usage === null ? '' : `${head}[],"usage":${JSON.stringify(usage)}}\n\n`;
        }
        case 'alive':
          return KEEP_ALIVE;
        default:
          return writeCandidate(event);
      }
    },
    end: () => 'data: [DONE]\n\n',
  };
}
