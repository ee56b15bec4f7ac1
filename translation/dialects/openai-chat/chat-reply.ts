import type { AnswerContext } from '../../chat/dialect.ts';
import type { ModelPart, ReasoningPart } from '../../chat/parts.ts';
import type { Candidate, ChatReply } from '../../chat/reply.ts';
import {
  callIdOf,
  completionId,
  imageUrl,
  type PlacedCitation,
  writeAudio,
  writeCallSignature,
  writeExtras,
  writeFinish,
  writeLogprobs,
  writeUsage,
} from './chat-message.ts';

/** A whole answer as OpenAI gives it (API reference, The chat completion object, read 2026-11). */
export function writeReply(reply: ChatReply, context: AnswerContext): string {
  const usage = writeUsage(reply.usage);
  return JSON.stringify({
    id: completionId(reply.id, context.inferenceId),
    object: 'chat.completion',
    created: context.createdUnixS,
    model: reply.model ?? context.request.model,
    choices: reply.candidates.map((candidate) => ({
      index: candidate.index,
      message: writeMessage(candidate, context.inferenceId),
      logprobs: writeLogprobs(candidate.logprobs),
      finish_reason: writeFinish(
        candidate.finish,
        candidate.parts.some(({ type }) => type === 'refusal'),
      ),
    })),
    ...(usage === null ? {} : { usage }),
  });
}

function writeMessage({ index, parts }: Candidate, inferenceId: string): object {
  let content: string | null = null;
  let refusal: string | null = null;
  const reasoning: ReasoningPart[] = [];
  const citations: PlacedCitation[] = [];
  const images: string[] = [];
  const calls: object[] = [];
  let audio: object | null = null;
  for (const part of parts) {
    switch (part.type) {
      case 'text': {
        const from = content?.length ?? 0;
        content = (content ?? '') + part.text;
        const to = content.length;
        citations.push(...part.citations.map((citation) => ({ citation, from, to })));
        break;
      }
      case 'refusal':
        refusal = (refusal ?? '') + part.text;
        break;
      case 'reasoning':
        reasoning.push(part);
        break;
      case 'tool_call':
        calls.push(writeCall(part, callIdOf(part.id, inferenceId, index, calls.length)));
        break;
      case 'image': {
        const url = imageUrl(part);
        if (url !== null) images.push(url);
        break;
      }
      case 'audio':
        if (part.source.kind === 'base64') audio = writeAudio(part.source.data, inferenceId);
        break;
      default:
        part satisfies never;
    }
  }
  const thoughts = reasoning.map(({ text }) => text).join('');
  return {
    role: 'assistant',
    content,
    refusal,
    ...(thoughts === '' ? {} : { reasoning_content: thoughts }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    ...(audio === null ? {} : { audio }),
    ...writeExtras(reasoning, citations, images),
  };
}

function writeCall(
  { name, arguments: args, signature }: Extract<ModelPart, { type: 'tool_call' }>,
  id: string,
): object {
  const proof = signature === null ? {} : writeCallSignature(signature);
  return { id, type: 'function', function: { name, arguments: args }, ...proof };
}
