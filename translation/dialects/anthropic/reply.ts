import type { AnswerContext } from '../../chat/dialect.ts';
import { type ModelPart, toolCallId } from '../../chat/parts.ts';
import type { Candidate, ChatReply } from '../../chat/reply.ts';
import { writeEnding } from './ending.ts';
import { noPlaceFor, redactedBlock, textBlock, thinkingBlock, toolUseBlock } from './output-blocks.ts';
import { writeUsage } from './usage.ts';

/** Stands where a tool call's arguments go, which are put in as the text that the model wrote. */
const INPUT = '"input":{}';

/** A whole answer as the JSON of Anthropic's `Message`. Only the first candidate: nobody can ask for more in this dialect. */
export function writeReply(reply: ChatReply, context: AnswerContext): string {
  const candidate = reply.candidates[0] ?? NO_CANDIDATE;
  const { parts } = candidate;
  const head = JSON.stringify({
    id: messageId(reply.id, context),
    type: 'message',
    role: 'assistant',
    model: reply.model ?? context.request.model,
  });
  const tail = JSON.stringify({
    ...writeEnding({
      finish: candidate.finish,
      rawFinish: reply.rawFinish,
      stopSequence: candidate.stopSequence,
      hasCalls: parts.some(({ type }) => type === 'tool_call'),
      hasRefusal: parts.some(({ type }) => type === 'refusal'),
    }),
    container: null,
    diagnostics: null,
    usage: writeUsage(reply.usage),
  });
  return `${head.slice(0, -1)},"content":[${writeBlocks(parts, context).join(',')}],${tail.slice(1)}`;
}

const NO_CANDIDATE: Candidate = { index: 0, parts: [], finish: null, stopSequence: null, logprobs: null };

/** The provider's id where it is Anthropic's kind, else the inference's: by it the answer is found in the log. */
export function messageId(id: string | null, { inferenceId }: AnswerContext): string {
  return id?.startsWith('msg_') ? id : `msg_${inferenceId.replaceAll('-', '')}`;
}

function writeBlocks(parts: readonly ModelPart[], { inferenceId }: AnswerContext): string[] {
  let calls = 0;
  return parts.flatMap((part) => {
    switch (part.type) {
      case 'text':
        return [JSON.stringify(textBlock(part.text, part.citations))];
      case 'refusal':
        return [JSON.stringify(textBlock(part.text))];
      case 'reasoning': {
        const redacted = part.redacted === null ? [] : [JSON.stringify(redactedBlock(part.redacted))];
        const isRedactedOnly = part.redacted !== null && part.text === '' && part.signature === null;
        return isRedactedOnly ? redacted : [JSON.stringify(thinkingBlock(part.text, part.signature)), ...redacted];
      }
      case 'tool_call': {
        const id = part.id ?? toolCallId(inferenceId, calls);
        calls++;
        const block = JSON.stringify(toolUseBlock(id, part.name));
        const signature = part.signature === null ? [] : [JSON.stringify(redactedBlock(part.signature))];
        return [block.replace(INPUT, () => `"input":${inputOf(part.arguments)}`), ...signature];
      }
      case 'image':
      case 'audio':
        throw noPlaceFor(part.type);
      default:
        return part satisfies never;
    }
  });
}

/**
 * The arguments as the model wrote them. Broken ones are wrapped as Anthropic's page on fine-grained tool streaming advises
 * (read 2026-11), so that the caller can show them to the model.
 */
function inputOf(text: string): string {
  if (text.trim() === '') return '{}';
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text;
  } catch {
    // Not JSON: wrapped like JSON that is no object.
  }
  return JSON.stringify({ INVALID_JSON: text });
}
