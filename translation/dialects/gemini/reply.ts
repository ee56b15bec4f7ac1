import type { AnswerContext } from '../../chat/dialect.ts';
import type { Candidate, ChatReply } from '../../chat/reply.ts';
import type { JsonRecord } from '../../wires/exact-json.ts';
import { writeFinish } from '../../wires/gemini/finish.ts';
import { type CitedText, writeGrounding } from './write-grounding.ts';
import { writePart } from './write-parts.ts';
import { writeLogprobs, writeUsage } from './write-usage.ts';

/** Writes a GenerateContentResponse. */
export function writeReply(reply: ChatReply, context: AnswerContext): string {
  return JSON.stringify({
    candidates: reply.candidates.map((candidate) =>
      writeCandidate(candidate, candidate.index === 0 ? reply.rawFinish : null, context),
    ),
    usageMetadata: writeUsage(reply.usage),
    modelVersion: reply.model ?? context.request.model,
    responseId: reply.id ?? context.inferenceId,
  });
}

function writeCandidate(candidate: Candidate, rawFinish: string | null, context: AnswerContext): JsonRecord {
  const parts: JsonRecord[] = [];
  const cited: CitedText[] = [];
  let calls = 0;
  for (const part of candidate.parts) {
    if (part.type === 'text') cited.push({ partIndex: parts.length, text: part.text, citations: part.citations });
    parts.push(...writePart(part, candidate.index, calls, context));
    if (part.type === 'tool_call') calls++;
  }
  return {
    // SDKs keep no turn without parts in a chat's history; one that was blocked has none.
    content:
      parts.length === 0 && candidate.finish !== 'content_filter'
        ? { parts: [{ text: '' }], role: 'model' }
        : { parts: parts.length === 0 ? undefined : parts, role: 'model' },
    finishReason: writeFinish(candidate.finish, rawFinish),
    index: candidate.index,
    groundingMetadata: writeGrounding(cited),
    logprobsResult: writeLogprobs(candidate.logprobs),
  };
}
