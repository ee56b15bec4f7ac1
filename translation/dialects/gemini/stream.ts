import type { AnswerContext, StreamWriter } from '../../chat/dialect.ts';
import type { ChatEvent } from '../../chat/events.ts';
import type { ChatUsage } from '../../chat/reply.ts';
import type { JsonRecord } from '../../wires/exact-json.ts';
import { CandidateWriter } from './write-candidate.ts';
import { writeUsage } from './write-usage.ts';

type Written = Exclude<ChatEvent, { type: 'end' | 'error' }>;

/**
 * Writes the responses of `streamGenerateContent`: pieces of text as they come, each function call whole. Neither framing has an event
 * that only ends a stream: the finish reasons, the usage (and the closing bracket) are held back for the end.
 */
export function openWriter(context: AnswerContext): StreamWriter {
  const { inferenceId, request, framing } = context;
  const candidates: CandidateWriter[] = [];
  let head: JsonRecord = { modelVersion: request.model, responseId: inferenceId };
  let usage: ChatUsage | null = null;
  let isFirst = true;

  const frame = (response: JsonRecord): string => {
    const json = JSON.stringify({ ...response, ...head });
    if (framing === 'sse') return `data: ${json}\n\n`;
    const start = isFirst ? '[' : ',\n';
    isFirst = false;
    return `${start}${json}`;
  };
  const candidateOf = (index: number): CandidateWriter => {
    while (candidates.length <= index) candidates.push(new CandidateWriter(candidates.length, context));
    return candidates[index]!;
  };
  const content = (index: number, parts: readonly JsonRecord[]): string =>
    parts.length === 0 ? '' : frame({ candidates: [{ content: { parts, role: 'model' }, index }] });

  return {
    write(event: Written): string {
      switch (event.type) {
        case 'start':
          head = { modelVersion: event.model ?? request.model, responseId: event.id ?? inferenceId };
          usage = event.usage;
          return '';
        case 'begin':
          return content(event.candidate, candidateOf(event.candidate).begin(event.part, event));
        case 'delta':
          return content(event.candidate, candidateOf(event.candidate).delta(event.part, event));
        case 'close':
          return content(event.candidate, candidateOf(event.candidate).close(event.part));
        case 'finish':
          candidateOf(event.candidate).finish(event.finish, event.rawFinish);
          return '';
        case 'logprobs':
          candidateOf(event.candidate).addLogprobs(event.logprobs);
          return '';
        case 'usage':
          usage = event.usage;
          return '';
        case 'alive':
          return '';
        default:
          return event satisfies never;
      }
    },
    end() {
      const last = frame({
        candidates: candidates.map((candidate) => candidate.end()),
        usageMetadata: writeUsage(usage),
      });
      return framing === 'sse' ? last : `${last}\n]`;
    },
  };
}
