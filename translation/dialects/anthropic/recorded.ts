import type { RecordedChats } from '../recorded.ts';
import { throughNeutralChat } from '../recorded.ts';
import { openReassembler } from './reassemble.ts';
import { readRequest } from './request.ts';

/** Messages as the log has them. An answer is the assistant's message. */
export const recordedAnthropic: RecordedChats = {
  openReassembler,
  answerOf({ role, content, stop_reason: stopReason }) {
    if (role !== 'assistant' || !Array.isArray(content)) return null;
    return { said: { role, content }, isFinished: typeof stopReason === 'string' };
  },
  asOpenAiChat(request, said) {
    const { messages } = request;
    if (!Array.isArray(messages)) return null;
    return throughNeutralChat(readRequest, { ...request, messages: [...messages, said] }, 'messages');
  },
};
