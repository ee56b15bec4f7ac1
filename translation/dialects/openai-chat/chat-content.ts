import type {
  AudioPart,
  CacheMark,
  DocumentPart,
  ImagePart,
  RefusalPart,
  Source,
  TextPart,
  VideoPart,
} from '../../chat/parts.ts';
import type { Extra, JsonObject } from '../../chat/request.ts';
import { isObject, textOf } from '../../wires/openai/json.ts';
import { fault, noteExtras, optional, readName, readObject, readText } from './chat-fields.ts';

/** Every part that a message's content can hold; which role may say which is its reader's to check. */
type ContentPart = TextPart | ImagePart | DocumentPart | AudioPart | VideoPart | RefusalPart;

const PDF = 'application/pdf';
const DATA_URL = /^data:([^;,]*)((?:;[^;,]*)*),/;
/** What a part says beside its content. */
const COMMON = ['type', 'cache_control', 'prompt_cache_breakpoint'];
const DETAILS = ['auto', 'low', 'high'] as const;

/** Content as a text or as a list of parts. Fields that are not known are added to `extras`. */
export function readContent(content: unknown, at: string, extras: Extra[]): ContentPart[] {
  if (typeof content === 'string') return [textPart(content, at)];
  if (!Array.isArray(content)) throw fault(at, 'must be a string or an array of parts');
  return content.map((value, index) => readPart(readObject(value, `${at}[${index}]`), `${at}[${index}]`, extras));
}

/** The same, where only text may stand. */
export function readTexts(content: unknown, at: string, extras: Extra[]): TextPart[] {
  return readContent(content, at, extras).map((part) => {
    if (part.type === 'text') return part;
    throw fault(part.at, 'must be text in a message of this role');
  });
}

export function textPart(text: string, at: string): TextPart {
  return { type: 'text', at, cache: null, text, citations: [] };
}

function readPart(part: JsonObject, at: string, extras: Extra[]): ContentPart {
  const { type } = part;
  const base = { at, cache: readCache(part) };
  const know = (...keys: string[]) => noteExtras(part, at, new Set([...COMMON, ...keys]), extras);
  switch (type) {
    case 'text':
      know('text', 'annotations');
      return { ...base, type, text: readText(part['text'], `${at}.text`), citations: [] };
    case 'refusal':
      know('refusal');
      return { ...base, type, text: readText(part['refusal'], `${at}.refusal`) };
    case 'image_url':
      know('image_url');
      return { ...base, type: 'image', ...readImage(part['image_url'], `${at}.image_url`, extras) };
    case 'video_url':
      know('video_url');
      return { ...base, type: 'video', source: readImage(part['video_url'], `${at}.video_url`, extras).source };
    case 'input_audio':
      know('input_audio');
      return { ...base, type: 'audio', source: readAudio(part['input_audio'], `${at}.input_audio`) };
    case 'file':
      know('file');
      return { ...base, type: 'document', citations: false, ...readFile(part['file'], `${at}.file`) };
    default:
      throw fault(`${at}.type`, 'is no type of content that is known');
  }
}

/** A URL, a data URL, or (as some clients write it) either of them without the object around it. */
function readImage(value: unknown, at: string, extras: Extra[]): Pick<ImagePart, 'source' | 'detail'> {
  if (typeof value === 'string') return { source: readUrl(value, at), detail: null };
  const image = readObject(value, at);
  const detail = DETAILS.find((known) => known === image['detail']) ?? null;
  noteExtras(image, at, new Set(detail === null ? ['url'] : ['url', 'detail']), extras);
  return { source: readUrl(readName(image['url'], `${at}.url`), `${at}.url`), detail };
}

function readAudio(value: unknown, at: string): Source {
  const audio = readObject(value, at);
  const format = readName(audio['format'], `${at}.format`);
  const mediaType = format === 'mp3' ? 'audio/mpeg' : `audio/${format}`;
  return { kind: 'base64', mediaType, data: readName(audio['data'], `${at}.data`) };
}

function readFile(value: unknown, at: string): Pick<DocumentPart, 'source' | 'title'> {
  const file = readObject(value, at);
  const title = optional(file['filename'], `${at}.filename`, readText);
  const fileId = optional(file['file_id'], `${at}.file_id`, readName);
  if (fileId !== null) return { title, source: { kind: 'file', fileId, mediaType: null } };
  const data = readName(file['file_data'], `${at}.file_data`);
  // OpenAI's examples give a data URL; bare base64 is taken for the one type that chat completions know.
  if (!/^(data|https?):/i.test(data)) return { title, source: { kind: 'base64', mediaType: PDF, data } };
  return { title, source: readUrl(data, `${at}.file_data`) };
}

function readUrl(url: string, at: string): Source {
  if (!url.startsWith('data:')) return { kind: 'url', url };
  const head = DATA_URL.exec(url.slice(0, 1_024));
  if (head === null || !/;base64$/i.test(head[2] ?? '')) throw fault(at, 'must be a base64 data URL or a web URL');
  const mediaType = textOf(head[1]?.toLowerCase()) ?? 'text/plain';
  return { kind: 'base64', mediaType, data: url.slice(head[0].length) };
}

/** Marks of OpenAI (`prompt_cache_breakpoint`) and, as other servers of this dialect take them, of Anthropic. */
export function readCache(part: JsonObject): CacheMark | null {
  const { cache_control: control, prompt_cache_breakpoint: breakpoint } = part;
  if (isObject(control)) return { ttl: control['ttl'] === '1h' || control['ttl'] === '5m' ? control['ttl'] : null };
  // OpenAI's lifetimes are 30 minutes and 12 hours: the longest that there is elsewhere comes nearest.
  if (isObject(breakpoint)) return { ttl: textOf(breakpoint['ttl']) === null ? null : '1h' };
  return null;
}
