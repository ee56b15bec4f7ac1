import type { CustomChat } from '#core/custom-provider.ts';
import { RingsideError } from '#core/errors.ts';
import type { ModelPart } from '#translation/chat/parts.ts';
import type { ChatReply } from '#translation/chat/reply.ts';
import { compileFinish, compileUsage } from './answer-facts.ts';
import { compileOptional, compilePointer } from './pointer.ts';

const BASE = { at: '', cache: null } as const;

/** Compiles how a whole answer is read. It throws `upstream_protocol` where there is no text and no call of a tool. */
export function compileReply({ reply }: CustomChat): (body: Buffer) => ChatReply {
  const textAt = compilePointer(reply.text);
  const reasoningAt = compileOptional(reply.reasoning);
  const callsAt = compileOptional(reply.toolCalls);
  const idAt = compileOptional(reply.id);
  const modelAt = compileOptional(reply.model);
  const readFinish = compileFinish(reply.finishReason);
  const readUsage = compileUsage(reply.usage);
  return (body) => {
    const answer = parseJson(body.toString('utf8'));
    const calls = readCalls(callsAt(answer));
    const text = textAt(answer);
    if (typeof text !== 'string' && calls.length === 0) {
      throw new RingsideError(
        'upstream_protocol',
        'The upstream sent an answer without a text where its definition says.',
      );
    }
    const reasoning = reasoningAt(answer);
    const ended = readFinish(answer);
    const parts: ModelPart[] = [
      ...(typeof reasoning === 'string' && reasoning !== ''
        ? [{ ...BASE, type: 'reasoning', text: reasoning, signature: null, redacted: null } as const]
        : []),
      ...(typeof text === 'string' && text !== '' ? [{ ...BASE, type: 'text', text, citations: [] } as const] : []),
      ...calls,
    ];
    return {
      id: textOf(idAt(answer)),
      model: textOf(modelAt(answer)),
      candidates: [
        {
          index: 0,
          parts,
          finish: ended?.finish ?? (calls.length > 0 ? 'tool_calls' : 'stop'),
          stopSequence: null,
          logprobs: null,
        },
      ],
      usage: readUsage(answer),
      rawFinish: ended?.rawFinish ?? null,
    };
  };
}

/** Calls of tools as OpenAI writes them. */
function readCalls(list: unknown): ModelPart[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((call: { id?: unknown; function?: { name?: unknown; arguments?: unknown } } | null) => {
    const name = call?.function?.name;
    if (typeof name !== 'string') return [];
    const json = call?.function?.arguments;
    const text = typeof json === 'string' ? json : JSON.stringify(json ?? {});
    return [{ ...BASE, type: 'tool_call', id: textOf(call?.id), name, arguments: text, signature: null } as const];
  });
}

/** JSON, or `upstream_protocol`. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RingsideError('upstream_protocol', 'The upstream sent something that is no JSON.');
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
