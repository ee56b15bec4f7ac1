import type { At, AudioPart, DocumentPart, ImagePart, Source, VideoPart } from '../../chat/parts.ts';
import type { Extra } from '../../chat/request.ts';
import { isGoogleFile, isVideoLink, mediaTypeOfUrl } from '../../wires/gemini/media-types.ts';
import { bad, type Fields } from './fields.ts';

export type MediaPart = ImagePart | DocumentPart | AudioPart | VideoPart;

/** The `inlineData` or `fileData` of a part; null where it has neither. */
export function readMedia(part: Fields, extras: Extra[]): MediaPart | null {
  const inline = part.fields('inlineData');
  if (inline !== null) return readInline(inline, extras);
  const file = part.fields('fileData');
  return file === null ? null : readFile(file, extras);
}

function readInline(inline: Fields, extras: Extra[]): MediaPart {
  const mediaType = inline.string('mimeType');
  const data = inline.string('data');
  const title = inline.string('displayName');
  inline.rest(extras);
  if (mediaType === null) throw bad(inline.where('mimeType'), 'is missing');
  if (data === null) throw bad(inline.where('data'), 'is missing');
  // ProtoJSON takes the URL-safe alphabet, too; line breaks come from tools that wrap.
  const base64 = /[-_\s]/.test(data) ? data.replace(/\s/g, '').replaceAll('-', '+').replaceAll('_', '/') : data;
  if (mediaType === 'text/plain') {
    const text = Buffer.from(base64, 'base64').toString('utf8');
    return { ...base(inline.at), type: 'document', source: { kind: 'text', text }, title, citations: false };
  }
  return mediaPart(mediaType, { kind: 'base64', mediaType, data: base64 }, inline.at, title);
}

function readFile(file: Fields, extras: Extra[]): MediaPart {
  const uri = file.string('fileUri');
  const mimeType = file.string('mimeType');
  const title = file.string('displayName');
  file.rest(extras);
  if (uri === null) throw bad(file.where('fileUri'), 'is missing');
  const source: Source = isGoogleFile(uri)
    ? { kind: 'file', fileId: uri, mediaType: mimeType }
    : { kind: 'url', url: uri };
  const mediaType = mimeType ?? mediaTypeOfUrl(uri) ?? (isVideoLink(uri) ? 'video/*' : '');
  return mediaPart(mediaType, source, file.at, title);
}

function mediaPart(mediaType: string, source: Source, at: At, title: string | null): MediaPart {
  const common = base(at);
  if (mediaType.startsWith('image/')) return { ...common, type: 'image', source, detail: null };
  if (mediaType.startsWith('audio/')) return { ...common, type: 'audio', source };
  if (mediaType.startsWith('video/')) return { ...common, type: 'video', source };
  return { ...common, type: 'document', source, title, citations: false };
}

function base(at: At) {
  return { at, cache: null };
}
