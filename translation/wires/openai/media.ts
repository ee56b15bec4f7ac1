import type { AudioPart, DocumentPart, ImagePart, Source } from '../../chat/parts.ts';
import type { Refusals } from '../../chat/refusals.ts';
import type { MediaPart } from './server.ts';

const PDF = 'application/pdf';
const AUDIO_FORMATS: ReadonlyMap<string, string> = new Map([
  ['audio/wav', 'wav'],
  ['audio/x-wav', 'wav'],
  ['audio/wave', 'wav'],
  ['audio/vnd.wave', 'wav'],
  ['audio/mpeg', 'mp3'],
  ['audio/mp3', 'mp3'],
]);

/** Images, documents and recordings as OpenAI takes them (chat completions: PDF only; texts of files as text parts). */
export function writeMedia(part: MediaPart, refusals: Refusals): object {
  switch (part.type) {
    case 'image':
      return writeImage(part, refusals);
    case 'document':
      return writeDocument(part, refusals);
    case 'audio':
      return writeAudio(part, refusals);
    case 'video':
      return refusals.content(part.at, 'takes no videos');
    default:
      return part satisfies never;
  }
}

/** `{type: 'image_url'}` with a URL or the image itself as a data URL. */
export function writeImage({ at, source, detail }: ImagePart, refusals: Refusals): object {
  if (source.kind === 'file') return refusals.content(at, 'takes no images by file id');
  return { type: 'image_url', image_url: { url: urlOf(source), ...(detail === null ? {} : { detail }) } };
}

function writeDocument({ at, source, title, citations }: DocumentPart, refusals: Refusals): object {
  if (citations) refusals.setting(`${at}.citations`, 'does not cite documents');
  switch (source.kind) {
    case 'text':
      return { type: 'text', text: title === null ? source.text : `${title}\n\n${source.text}` };
    case 'url':
      return refusals.content(at, 'takes no documents by URL');
    case 'file':
      return { type: 'file', file: { file_id: source.fileId } };
    case 'base64':
      if (source.mediaType !== PDF) return refusals.content(at, `takes documents of the type "${PDF}" only`);
      return { type: 'file', file: { filename: title ?? 'document.pdf', file_data: urlOf(source) } };
    default:
      return source satisfies never;
  }
}

function writeAudio({ at, source }: AudioPart, refusals: Refusals): object {
  if (source.kind !== 'base64') return refusals.content(at, 'takes recordings only as data');
  const format = AUDIO_FORMATS.get(source.mediaType);
  if (format === undefined) return refusals.content(at, 'takes recordings as WAV or MP3 only');
  return { type: 'input_audio', input_audio: { data: source.data, format } };
}

/** The URL, or a data URL. */
export function urlOf(source: Extract<Source, { kind: 'url' | 'base64' }>): string {
  return source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
}
