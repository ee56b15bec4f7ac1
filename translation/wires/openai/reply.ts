import { RingsideError } from '#core/errors.ts';
import type { Citation, ModelPart } from '../../chat/parts.ts';
import type { Candidate, ChatReply } from '../../chat/reply.ts';
import { type Piece, readFinish, readLogprobs, readPieces } from './choice.ts';
import { isObject, type Json, objectOf, parseUpstream, textOf } from './json.ts';
import { readUsage } from './usage.ts';

/** Reads a whole chat completion. Throws `upstream_protocol` for what is none. */
export function readReply(body: Buffer): ChatReply {
  const answer = parseUpstream(body.toString('utf8'), 'an answer');
  const { choices } = answer;
  if (!Array.isArray(choices)) {
    const why = isObject(answer['error']) ? 'an error in place of an answer' : 'an answer without choices';
    throw new RingsideError('upstream_protocol', `The upstream sent ${why}.`);
  }
  const said = choices.filter(isObject);
  return {
    id: textOf(answer['id']),
    model: textOf(answer['model']),
    candidates: said.map(readCandidate).sort((a, b) => a.index - b.index),
    usage: readUsage(answer['usage']),
    rawFinish: textOf(said.find((choice) => (choice['index'] ?? 0) === 0)?.['finish_reason']),
  };
}

function readCandidate(choice: Json, at: number): Candidate {
  const parts = readParts(readPieces(objectOf(choice['message'])));
  const made = {
    calls: parts.some(({ type }) => type === 'tool_call'),
    refusal: parts.some(({ type }) => type === 'refusal'),
  };
  const finish = readFinish(choice, made);
  return {
    index: typeof choice['index'] === 'number' ? choice['index'] : at,
    parts,
    finish: finish?.finish ?? null,
    stopSequence: finish?.stopSequence ?? null,
    logprobs: readLogprobs(choice['logprobs']),
  };
}

const BASE = { at: '', cache: null };

function readParts(pieces: readonly Piece[]): ModelPart[] {
  const citations = pieces.flatMap((piece): Citation[] => (piece.kind === 'citation' ? [piece.citation] : []));
  const parts: ModelPart[] = [];
  for (const piece of pieces) {
    switch (piece.kind) {
      case 'text':
        // All annotations stand beside the text: they belong to its first part.
        parts.push({ ...BASE, type: 'text', text: piece.text, citations: citations.splice(0) });
        break;
      case 'refusal':
        parts.push({ ...BASE, type: 'refusal', text: piece.text });
        break;
      case 'reasoning':
        parts.push({ ...BASE, type: 'reasoning', text: piece.text, signature: null, redacted: null });
        break;
      case 'call': {
        const { id, name, arguments: args } = piece;
        parts.push({ ...BASE, type: 'tool_call', id, name: name ?? '', arguments: args, signature: null });
        break;
      }
      case 'citation':
        break;
      default:
        piece satisfies never;
    }
  }
  return joinNeighbours(parts);
}

/** A list of chunks of one kind is one part, as it is in a stream. */
function joinNeighbours(parts: readonly ModelPart[]): ModelPart[] {
  const joined: ModelPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (last?.type === 'text' && part.type === 'text') {
      joined[joined.length - 1] = { ...last, text: last.text + part.text };
    } else if (last?.type === 'reasoning' && part.type === 'reasoning') {
      joined[joined.length - 1] = { ...last, text: last.text + part.text };
    } else joined.push(part);
  }
  return joined;
}
