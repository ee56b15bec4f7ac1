import type {
  At,
  AudioPart,
  CacheMark,
  Citation,
  DocumentPart,
  ImagePart,
  RefusalPart,
  Source,
  TextPart,
} from '../../chat/parts.ts';
import type { JsonObject } from '../../chat/request.ts';
import { bad, type Extras, isObject, oneOf, optional, readList, readName, readObject, readString } from './fields.ts';

const DETAILS = ['auto', 'low', 'high', 'original'] as const;
const AUDIO_TYPES = { wav: 'audio/wav', mp3: 'audio/mpeg' } as const;
const PDF = 'application/pdf';

type Content<Part> = (part: JsonObject, type: string, at: At, extras: Extras) => Part;

/** A text, or a list of parts: each is read by `read`. */
export function readContent<Part>(
  content: unknown,
  at: At,
  extras: Extras,
  read: Content<Part>,
): readonly (Part | TextPart)[] {
  if (typeof content === 'string') return [textPart(content, at)];
  if (!Array.isArray(content)) throw bad(at, `"${at}" must be a string or a list of parts.`);
  return readList(content, at).map((value, index) => {
    const partAt = `${at}[${index}]`;
    const part = readObject(value, partAt);
    return read(part, readString(part['type'], `${partAt}.type`), partAt, extras);
  });
}

/** What a user's message may hold, and what a tool's result may hold but for sound. */
export function readUserPart(
  part: JsonObject,
  type: string,
  at: At,
  extras: Extras,
): TextPart | ImagePart | DocumentPart | AudioPart {
  if (type === 'input_audio') return readAudio(part, at);
  return readResultPart(part, type, at, extras);
}

export function readResultPart(
  part: JsonObject,
  type: string,
  at: At,
  extras: Extras,
): TextPart | ImagePart | DocumentPart {
  const cache = readCacheMark(part, at, extras);
  switch (type) {
    case 'input_text':
      return { ...textPart(readString(part['text'], `${at}.text`), at), cache };
    case 'input_image':
      return readImage(part, at, cache, extras);
    case 'input_file':
      return readFile(part, at, cache, extras);
    default:
      throw unknownPart(type, at);
  }
}

export function readSystemPart(part: JsonObject, type: string, at: At, extras: Extras): TextPart {
  if (type !== 'input_text') throw unknownPart(type, at);
  return { ...textPart(readString(part['text'], `${at}.text`), at), cache: readCacheMark(part, at, extras) };
}

export function readModelPart(part: JsonObject, type: string, at: At): TextPart | RefusalPart {
  switch (type) {
    case 'output_text':
    case 'input_text': {
      const text = textPart(readString(part['text'], `${at}.text`), at);
      return { ...text, citations: readCitations(part['annotations']) };
    }
    case 'refusal':
      return { type: 'refusal', at, cache: null, text: readString(part['refusal'], `${at}.refusal`) };
    default:
      throw unknownPart(type, at);
  }
}

export function textPart(text: string, at: At): TextPart {
  return { type: 'text', at, cache: null, text, citations: [] };
}

function unknownPart(type: string, at: At) {
  return bad(`${at}.type`, `"${at}.type" is "${type}", which cannot stand here.`);
}

function readImage(part: JsonObject, at: At, cache: CacheMark | null, extras: Extras): ImagePart {
  const detail = optional(part['detail'], `${at}.detail`, oneOf(DETAILS));
  if (detail === 'original') extras.add(`${at}.detail`, 'detail', detail);
  const url = optional(part['image_url'], `${at}.image_url`, readName);
  const fileId = optional(part['file_id'], `${at}.file_id`, readName);
  const source = url === null ? fileSource(fileId, at, 'image_url') : urlSource(url, `${at}.image_url`);
  return { type: 'image', at, cache, source, detail: detail === 'original' ? 'high' : detail };
}

function readFile(part: JsonObject, at: At, cache: CacheMark | null, extras: Extras): DocumentPart {
  const detail = optional(part['detail'], `${at}.detail`, readString);
  if (detail !== 'auto') extras.add(`${at}.detail`, 'detail', detail);
  const title = optional(part['filename'], `${at}.filename`, readString);
  const data = optional(part['file_data'], `${at}.file_data`, readName);
  const url = optional(part['file_url'], `${at}.file_url`, readName);
  const fileId = optional(part['file_id'], `${at}.file_id`, readName);
  const source =
    data !== null
      ? fileData(data, title, `${at}.file_data`)
      : url !== null
        ? ({ kind: 'url', url } as const)
        : fileSource(fileId, at, 'file_data');
  return { type: 'document', at, cache, source, title, citations: false };
}

/** OpenAI takes a data URL and, as its reference says, plain base64, which does not say what it is. */
function fileData(data: string, filename: string | null, at: At): Source {
  if (data.startsWith('data:')) return urlSource(data, at);
  const isText = filename !== null && /\.(txt|md)$/i.test(filename);
  return { kind: 'base64', mediaType: isText ? 'text/plain' : PDF, data: withoutSpace(data) };
}

function readAudio(part: JsonObject, at: At): AudioPart {
  const audio = readObject(part['input_audio'], `${at}.input_audio`);
  const format = oneOf(['wav', 'mp3'])(audio['format'], `${at}.input_audio.format`);
  const data = withoutSpace(readName(audio['data'], `${at}.input_audio.data`));
  return { type: 'audio', at, cache: null, source: { kind: 'base64', mediaType: AUDIO_TYPES[format], data } };
}

function fileSource(fileId: string | null, at: At, missing: string): Source {
  if (fileId === null) throw bad(`${at}.${missing}`, `"${at}.${missing}" is missing.`);
  return { kind: 'file', fileId, mediaType: null };
}

function urlSource(url: string, at: At): Source {
  if (!url.startsWith('data:')) return { kind: 'url', url };
  const comma = url.indexOf(',');
  const [mediaType = '', ...parameters] = url.slice('data:'.length, Math.max(comma, 0)).split(';');
  if (comma === -1 || mediaType === '' || parameters.at(-1) !== 'base64') {
    throw bad(at, `"${at}" must be a URL, or a data URL as "data:<media type>;base64,<data>".`);
  }
  return { kind: 'base64', mediaType, data: withoutSpace(url.slice(comma + 1)) };
}

function withoutSpace(data: string): string {
  return /\s/.test(data) ? data.replaceAll(/\s/g, '') : data;
}

/** OpenAI's lifetimes are nobody else's, so that one that is asked for is refused where it cannot be kept. */
function readCacheMark(part: JsonObject, at: At, extras: Extras): CacheMark | null {
  const field = `${at}.prompt_cache_breakpoint`;
  const mark = optional(part['prompt_cache_breakpoint'], field, readObject);
  if (mark === null) return null;
  extras.add(`${field}.ttl`, 'ttl', mark['ttl']);
  return { ttl: null };
}

/** Only those that stand on a URL mean something to another provider; what else an earlier answer was marked with is not asked. */
function readCitations(annotations: unknown): Citation[] {
  if (!Array.isArray(annotations)) return [];
  return annotations.filter(isObject).flatMap((annotation): Citation[] => {
    const { type, url, title, start_index: start, end_index: end } = annotation;
    if (type !== 'url_citation' || typeof url !== 'string') return [];
    return [
      {
        kind: 'url',
        url,
        title: typeof title === 'string' ? title : null,
        citedText: null,
        startIndex: typeof start === 'number' ? start : null,
        endIndex: typeof end === 'number' ? end : null,
      },
    ];
  });
}
