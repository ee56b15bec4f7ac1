import { isRecord } from '../../wires/exact-json.ts';
import type { RecordedChats } from '../recorded.ts';
import { throughNeutralChat } from '../recorded.ts';
import { openReassembler } from './reassemble.ts';
import { readRequest } from './request.ts';

/** Generated content as the log has it. An answer is the content of the first candidate. */
export const recordedGemini: RecordedChats = {
  openReassembler,
  answerOf({ candidates }) {
    const list: readonly unknown[] = Array.isArray(candidates) ? candidates : [];
    const first = list.filter(isRecord).find(({ index }) => (index ?? 0) === 0);
    const content = first?.['content'];
    if (!isRecord(content) || !Array.isArray(content['parts'])) return null;
    return { said: content, isFinished: typeof first?.['finishReason'] === 'string' };
  },
  asOpenAiChat(request, said) {
    const { contents } = request;
    // Google's servers take one content where a list is due.
    const before = Array.isArray(contents) ? contents : isRecord(contents) ? [contents] : null;
    if (before === null || !isRecord(said)) return null;
    const answer = { ...said, role: said['role'] ?? 'model' };
    return throughNeutralChat(readRequest, { ...request, contents: [...before, answer] }, 'contents');
  },
};
