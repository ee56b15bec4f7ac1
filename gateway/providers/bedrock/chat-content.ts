import type {
  CacheMark,
  DocumentPart,
  ImagePart,
  ModelPart,
  TextPart,
  ToolCallPart,
  UserPart,
} from '#translation/chat/parts.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import { parseRecord } from '#translation/wires/exact-json.ts';
import { writeCitation } from './citations.ts';
import { documentName, writeMedia } from './media.ts';

/** What is known while the blocks of one request are written. */
export interface ContentWriter {
  readonly refusals: Refusals;
  /** Names of documents that are taken. */
  readonly documentNames: Map<string, number>;
}

/** The parts of a turn as `ContentBlock`s, each with the cache point that stands behind it. */
export function writeBlocks(parts: readonly (UserPart | ModelPart)[], role: Role, writer: ContentWriter): object[] {
  return parts.flatMap((part) => {
    const block = writeBlock(part, role, writer);
    return block === null ? [] : [block, ...cachePoint(part.cache)];
  });
}

type Role = 'user' | 'assistant';

/** A cache point as the blocks of messages, system prompts and tools have it. */
export function cachePoint(cache: CacheMark | null): object[] {
  if (cache === null) return [];
  return [{ cachePoint: { type: 'default', ...(cache.ttl === null ? {} : { ttl: cache.ttl }) } }];
}

function writeBlock(part: UserPart | ModelPart, role: Role, writer: ContentWriter): object | null {
  const { refusals } = writer;
  switch (part.type) {
    case 'text':
      return writeText(part, role);
    case 'refusal':
      // The model's own words, for which Converse has no other block.
      return { text: part.text };
    case 'image':
      if (role === 'assistant') return refusals.content(part.at, "takes images in the user's turns only");
      return writeImage(part, writer);
    case 'document':
      return writeDocument(part, writer);
    case 'audio':
      if (role === 'assistant') return refusals.content(part.at, "takes recordings in the user's turns only");
      return { audio: writeMedia('audio', part.source, part.at, refusals) };
    case 'video':
      return { video: writeMedia('video', part.source, part.at, refusals) };
    case 'tool_call':
      return writeToolCall(part, refusals);
    case 'tool_result':
      return {
        toolResult: {
          toolUseId: part.callId,
          content: part.parts.map((inner) => writeResult(inner, writer)),
          ...(part.isError ? { status: 'error' } : {}),
        },
      };
    case 'reasoning': {
      const { signature, redacted } = part;
      if (redacted?.origin === 'bedrock') return { reasoningContent: { redactedContent: redacted.value } };
      if (signature?.origin === 'bedrock') {
        return { reasoningContent: { reasoningText: { text: part.text, signature: signature.value } } };
      }
      refusals.leftOut(part.at);
      return null;
    }
    default:
      return part satisfies never;
  }
}

/** Converse refuses empty texts, and they say nothing. */
function writeText({ text, citations }: TextPart, role: Role): object | null {
  if (text === '') return null;
  if (role === 'user' || citations.length === 0) return { text };
  return { citationsContent: { content: [{ text }], citations: citations.map(writeCitation) } };
}

function writeImage({ at, source, detail }: ImagePart, { refusals }: ContentWriter): object {
  if (detail !== null && detail !== 'auto') refusals.setting(`${at}.detail`, 'has no levels of detail for images');
  return { image: writeMedia('image', source, at, refusals) };
}

function writeDocument({ at, source, title, citations }: DocumentPart, writer: ContentWriter): object {
  const media =
    source.kind === 'text'
      ? { format: 'txt', source: { text: source.text } }
      : writeMedia('document', source, at, writer.refusals);
  return {
    document: {
      ...media,
      name: documentName(title, writer.documentNames),
      ...(citations ? { citations: { enabled: true } } : {}),
    },
  };
}

function writeResult(part: TextPart | ImagePart | DocumentPart, writer: ContentWriter): object {
  switch (part.type) {
    case 'text':
      return { text: part.text };
    case 'image':
      return writeImage(part, writer);
    case 'document':
      return writeDocument(part, writer);
    default:
      return part satisfies never;
  }
}

function writeToolCall({ at, id, name, arguments: text, signature }: ToolCallPart, refusals: Refusals): object {
  if (id === null) refusals.content(at, 'needs the id of each tool call');
  if (signature !== null) refusals.leftOut(at);
  return { toolUse: { toolUseId: id, name, input: parseObject(text, at, refusals) } };
}

/** Converse takes arguments as JSON and not as text. */
function parseObject(text: string, at: string, refusals: Refusals): Record<string, unknown> {
  const value = text === '' ? {} : parseRecord(text);
  if (value === null) refusals.content(at, 'needs the arguments of a tool call to be a JSON object');
  return value;
}
