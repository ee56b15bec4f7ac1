import type {
  Citation,
  DocumentPart,
  ImagePart,
  ModelPart,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  UserPart,
} from '../../chat/parts.ts';
import { readCitation } from '../../wires/anthropic/citations.ts';
import { readSignature } from '../../wires/anthropic/signatures.ts';
import { bad, Fields, onlyAnthropic } from './fields.ts';
import { type Reading, readCacheMark } from './reading.ts';
import { readDocumentSource, readImageSource } from './sources.ts';

/** Blocks of other kinds that a turn may hold: what Anthropic's own servers made or keep. */
const SERVER_BLOCKS =
  /^(search_result|server_tool_use|container_upload|tool_reference|browser_state|compaction|.*_tool_result)$/;

/** The content of a user's turn. */
export function readUserParts(owner: Fields, reading: Reading): UserPart[] {
  return readContent(owner, 'content', reading, (block, type) => {
    switch (type) {
      case 'image':
        return readImage(block, reading);
      case 'document':
        return readDocument(block, reading);
      case 'tool_result':
        return readToolResult(block, reading);
      default:
        return null;
    }
  });
}

/** The content of a model's turn. */
export function readModelParts(owner: Fields, reading: Reading): ModelPart[] {
  const parts = readContent<ModelPart>(owner, 'content', reading, (block, type) => {
    switch (type) {
      case 'thinking': {
        const signature = block.text('signature') ?? '';
        return readReasoning(block, block.neededText('thinking'), signature, null);
      }
      case 'redacted_thinking':
        return readReasoning(block, '', '', block.neededText('data'));
      case 'tool_use':
        return readToolCall(block, reading);
      default:
        return null;
    }
  });
  return joinCallSignatures(parts);
}

/** Text only: system instructions, in `system` or in a turn of their own. */
export function readTexts(owner: Fields, name: string, reading: Reading): TextPart[] {
  return readContent<TextPart>(owner, name, reading, () => null);
}

function readContent<Part extends { readonly at: string }>(
  owner: Fields,
  name: string,
  reading: Reading,
  read: (block: Fields, type: string) => Part | null,
): (Part | TextPart)[] {
  const at = owner.path(name);
  const content = owner.take(name);
  if (content === null) throw bad(at, 'is missing');
  if (typeof content === 'string') return [{ type: 'text', at, cache: null, text: content, citations: [] }];
  if (!Array.isArray(content)) throw bad(at, 'must be a string or a list of blocks');
  return content.map((item: unknown, index) => {
    const block = new Fields(item, `${at}[${index}]`);
    const type = block.neededText('type');
    const part = type === 'text' ? readText(block, reading) : read(block, type);
    if (part === null) {
      if (SERVER_BLOCKS.test(type)) throw onlyAnthropic(block.at, `a block of the type "${type}"`);
      throw bad(block.path('type'), `is of no use here: "${type}"`);
    }
    block.leave(reading.extras);
    return part;
  });
}

function readText(block: Fields, reading: Reading): TextPart {
  const citations: Citation[] = [];
  block.list('citations')?.forEach((value, index) => {
    const citation = readCitation(value);
    if (citation !== null) citations.push(citation);
    else reading.extras.push({ at: `${block.path('citations')}[${index}]`, name: 'citations', value });
  });
  return {
    type: 'text',
    at: block.at,
    cache: readCacheMark(block, reading),
    text: block.neededText('text'),
    citations,
  };
}

function readImage(block: Fields, reading: Reading): ImagePart {
  const source = readImageSource(block, reading);
  return { type: 'image', at: block.at, cache: readCacheMark(block, reading), source, detail: null };
}

function readDocument(block: Fields, reading: Reading): DocumentPart {
  const citations = block.fields('citations')?.flag('enabled') ?? false;
  return {
    type: 'document',
    at: block.at,
    cache: readCacheMark(block, reading),
    source: readDocumentSource(block, citations, reading),
    title: block.text('title'),
    citations,
  };
}

function readToolResult(block: Fields, reading: Reading): ToolResultPart {
  const callId = block.neededText('tool_use_id');
  const hasContent = block.take('content') !== null;
  const parts = hasContent
    ? readContent<ImagePart | DocumentPart>(block, 'content', reading, (inner, type) => {
        if (type === 'image') return readImage(inner, reading);
        return type === 'document' ? readDocument(inner, reading) : null;
      })
    : [];
  return {
    type: 'tool_result',
    at: block.at,
    cache: readCacheMark(block, reading),
    callId,
    name: reading.toolNames.get(callId) ?? null,
    parts,
    isError: block.flag('is_error') ?? false,
  };
}

function readToolCall(block: Fields, reading: Reading): ToolCallPart {
  const id = block.neededText('id');
  const name = block.neededText('name');
  reading.toolNames.set(id, name);
  const caller = block.fields('caller');
  if (caller !== null && caller.text('type') !== 'direct') {
    throw onlyAnthropic(caller.at, 'a tool call that a server tool made');
  }
  return {
    type: 'tool_call',
    at: block.at,
    cache: readCacheMark(block, reading),
    id,
    name,
    arguments: JSON.stringify(block.object('input') ?? {}),
    signature: null,
  };
}

function readReasoning(block: Fields, text: string, signature: string, data: string | null): ReasoningPart {
  return {
    type: 'reasoning',
    at: block.at,
    cache: null,
    text,
    signature: signature === '' ? null : readSignature(signature),
    redacted: data === null ? null : readSignature(data),
  };
}

/**
 * Undoes what the writer does with a tool call that another provider signed: its signature travels in a block of its own behind it.
 * Only Google signs calls, and it has no encrypted thoughts, so that nothing else looks like it.
 */
function joinCallSignatures(parts: readonly ModelPart[]): ModelPart[] {
  const joined: ModelPart[] = [];
  for (const part of parts) {
    const before = joined.at(-1);
    if (before?.type === 'tool_call' && part.type === 'reasoning' && part.redacted?.origin === 'google') {
      joined[joined.length - 1] = { ...before, signature: part.redacted };
    } else joined.push(part);
  }
  return joined;
}
