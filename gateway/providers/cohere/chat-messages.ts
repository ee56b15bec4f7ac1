import type {
  DocumentPart,
  ImagePart,
  ModelPart,
  TextPart,
  ToolResultPart,
  UserPart,
} from '#translation/chat/parts.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, Message } from '#translation/chat/request.ts';

type Json = Record<string, unknown>;

/** A conversation in Cohere's shape: its documents stand beside its messages. */
export interface Conversation {
  readonly messages: readonly Json[];
  /** In the order in which the caller's turns have them; their ids are their numbers, which citations give back. */
  readonly documents: readonly Json[];
  /** Whether any of them shall be cited. */
  readonly cites: boolean;
}

/** Writes what is said in a conversation; refuses what Cohere has no place for. */
export function writeConversation(request: ChatRequest, refusals: Refusals): Conversation {
  const messages: Json[] = [];
  const documents: Json[] = [];
  let cites = false;
  let madeIds = 0;
  const addDocument = (part: DocumentPart) => {
    documents.push({ id: String(documents.length), data: documentData(part, refusals) });
    cites ||= part.citations;
  };
  const [instructions, turns] = splitInstructions(request);
  if (instructions.length > 0) messages.push({ role: 'system', content: writeTexts(instructions, refusals) });
  for (const turn of turns) {
    switch (turn.role) {
      case 'system':
        refusals.content(turn.at, 'takes instructions at the beginning of a conversation only');
        break;
      case 'user':
        refuseName(turn, refusals);
        for (const said of writeUserTurn(turn.parts, addDocument, refusals)) messages.push(said);
        break;
      case 'assistant':
        refuseName(turn, refusals);
        messages.push(writeModelTurn(turn.parts, () => `call_${madeIds++}`, refusals));
        break;
      default:
        turn satisfies never;
    }
  }
  return { messages, documents, cites };
}

/** Instructions that stand before the first turn belong to the beginning, wherever the caller's dialect has them. */
function splitInstructions({ system, messages }: ChatRequest): [readonly TextPart[], readonly Message[]] {
  const instructions = [...system];
  let from = 0;
  for (; messages[from]?.role === 'system'; from++) {
    for (const part of messages[from]!.parts as TextPart[]) instructions.push(part);
  }
  return [instructions, messages.slice(from)];
}

function refuseName({ at, name }: { at: string; name: string | null }, refusals: Refusals): void {
  if (name !== null) refusals.setting(`${at}.name`, 'has no names for speakers');
}

function writeTexts(parts: readonly TextPart[], refusals: Refusals): string | Json[] {
  const [first] = parts;
  for (const part of parts) noteCache(part, refusals);
  return parts.length === 1 ? first!.text : parts.map(({ text }) => ({ type: 'text', text }));
}

/** Results first: they must follow the calls that they answer. */
function writeUserTurn(
  parts: readonly UserPart[],
  addDocument: (part: DocumentPart) => void,
  refusals: Refusals,
): Json[] {
  const results: Json[] = [];
  const content: Json[] = [];
  for (const part of parts) {
    noteCache(part, refusals);
    switch (part.type) {
      case 'text':
        content.push({ type: 'text', text: part.text });
        break;
      case 'image':
        content.push(writeImage(part, refusals));
        break;
      case 'document':
        addDocument(part);
        break;
      case 'tool_result':
        results.push(writeResult(part, refusals));
        break;
      case 'audio':
        refusals.content(part.at, 'does not listen to audio');
        break;
      case 'video':
        refusals.content(part.at, 'does not look at videos');
        break;
      default:
        part satisfies never;
    }
  }
  const only = content.length === 1 && content[0]!['type'] === 'text' ? content[0]!['text'] : null;
  // A turn of documents alone still is a turn: Cohere wants a user's message.
  const said = content.length > 0 || results.length === 0 ? [{ role: 'user', content: only ?? content }] : [];
  return [...results, ...said];
}

function writeImage({ at, source, detail }: ImagePart, refusals: Refusals): Json {
  if (source.kind === 'file') return refusals.content(at, 'does not keep files for chats');
  const url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
  return { type: 'image_url', image_url: detail === null ? { url } : { url, detail } };
}

function documentData({ at, source, title }: DocumentPart, refusals: Refusals): Json {
  const named = title === null ? {} : { title };
  if (source.kind === 'text') return { ...named, text: source.text };
  if (source.kind === 'base64' && /^text\//i.test(source.mediaType)) {
    return { ...named, text: Buffer.from(source.data, 'base64').toString('utf8') };
  }
  return refusals.content(at, 'reads documents as plain text only');
}

function writeResult({ at, callId, parts, isError }: ToolResultPart, refusals: Refusals): Json {
  // There is no field for it; what went wrong stands in the text.
  if (isError) refusals.leftOut(`${at}.is_error`);
  const content = parts.map((part): Json => {
    noteCache(part, refusals);
    switch (part.type) {
      case 'text':
        return { type: 'text', text: part.text };
      case 'document':
        return { type: 'document', document: { data: documentData(part, refusals) } };
      case 'image':
        return refusals.content(part.at, 'takes no images from tools');
      default:
        return part satisfies never;
    }
  });
  const only = content.length === 1 && content[0]!['type'] === 'text' ? content[0]!['text'] : null;
  return { role: 'tool', tool_call_id: callId, content: only ?? (content.length === 0 ? '' : content) };
}

/** Text beside tool calls is what Cohere calls the tool plan, both ways. */
function writeModelTurn(parts: readonly ModelPart[], makeId: () => string, refusals: Refusals): Json {
  const content: Json[] = [];
  const calls: Json[] = [];
  for (const part of parts) {
    noteCache(part, refusals);
    switch (part.type) {
      case 'text':
        if (part.citations.length > 0) refusals.leftOut(`${part.at}.citations`);
        if (part.text !== '') content.push({ type: 'text', text: part.text });
        break;
      case 'refusal':
        if (part.text !== '') content.push({ type: 'text', text: part.text });
        break;
      case 'reasoning':
        // Cohere does not sign its thoughts: what is signed is another provider's.
        if (part.signature !== null || part.redacted !== null) refusals.leftOut(part.at);
        else if (part.text !== '') content.push({ type: 'thinking', thinking: part.text });
        break;
      case 'tool_call':
        if (part.signature !== null) refusals.leftOut(`${part.at}.signature`);
        calls.push({
          id: part.id ?? makeId(),
          type: 'function',
          function: { name: part.name, arguments: part.arguments === '' ? '{}' : part.arguments },
        });
        break;
      case 'image':
      case 'audio':
        refusals.content(part.at, `takes no ${part.type} back that a model made`);
        break;
      default:
        part satisfies never;
    }
  }
  if (calls.length === 0) return { role: 'assistant', content: onlyText(content) ?? content };
  const texts = content.filter(({ type }) => type === 'text');
  const thoughts = content.filter(({ type }) => type === 'thinking');
  return {
    role: 'assistant',
    ...(thoughts.length === 0 ? {} : { content: thoughts }),
    ...(texts.length === 0 ? {} : { tool_plan: texts.map(({ text }) => text).join('') }),
    tool_calls: calls,
  };
}

function onlyText(content: readonly Json[]): string | null {
  const [first] = content;
  if (first === undefined) return '';
  return content.length === 1 && first['type'] === 'text' ? (first['text'] as string) : null;
}

/** Cohere caches by itself: a mark changes nothing about the answer. */
function noteCache({ at, cache }: { readonly at: string; readonly cache: unknown }, refusals: Refusals): void {
  if (cache !== null) refusals.leftOut(`${at}.cache_control`);
}
