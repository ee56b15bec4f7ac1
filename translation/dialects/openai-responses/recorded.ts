import type { RecordedChats } from '../recorded.ts';
import { throughNeutralChat } from '../recorded.ts';
import { openReassembler } from './reassemble.ts';
import { readRequest } from './request.ts';

const ENDS: ReadonlySet<unknown> = new Set(['completed', 'incomplete']);

/** Responses as the log has them. An answer is the items of the output. */
export const recordedResponses: RecordedChats = {
  openReassembler,
  answerOf({ output, status }) {
    return Array.isArray(output) && output.length > 0 ? { said: output, isFinished: ENDS.has(status) } : null;
  },
  asOpenAiChat(request, said) {
    const { input } = request;
    const before = typeof input === 'string' ? [{ role: 'user', content: input }] : input;
    if (!Array.isArray(before) || !Array.isArray(said)) return null;
    return throughNeutralChat(readRequest, { ...request, input: [...before, ...said] }, 'input');
  },
};
