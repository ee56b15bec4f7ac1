import type { At, AudioPart, DocumentPart, ImagePart, Source, VideoPart } from '#translation/chat/parts.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { JsonRecord } from '#translation/wires/exact-json.ts';
import { isGoogleFile, mediaTypeOfUrl } from '#translation/wires/gemini/media-types.ts';

type MediaPart = ImagePart | DocumentPart | AudioPart | VideoPart;

/** An image, a document or a recording as a part of a content or of a function's response. */
export function writeMedia(part: MediaPart, refusals: Refusals): JsonRecord {
  if (part.cache !== null) refusals.leftOut(part.at);
  if (part.type === 'image' && part.detail !== null && part.detail !== 'auto') {
    refusals.setting(`${part.at}.detail`, 'takes the resolution of images for the whole request only');
  }
  if (part.type === 'document') {
    if (part.citations) refusals.setting(`${part.at}.citations`, 'does not cite documents of the prompt');
    if (part.title !== null) refusals.leftOut(`${part.at}.title`);
  }
  const { source } = part;
  if (source.kind !== 'text') return writeSource(source, part.at, refusals);
  return { inlineData: { mimeType: 'text/plain', data: Buffer.from(source.text).toString('base64') } };
}

function writeSource(source: Source, at: At, refusals: Refusals): JsonRecord {
  switch (source.kind) {
    case 'base64':
      return { inlineData: { mimeType: source.mediaType, data: source.data } };
    case 'url':
      // Where the ending does not tell the media type, Google finds it out or says that it is missing.
      return { fileData: { mimeType: mediaTypeOfUrl(source.url) ?? undefined, fileUri: source.url } };
    case 'file':
      if (!isGoogleFile(source.fileId)) {
        return refusals.content(at, 'knows files only by the URIs of its own Files API and of Cloud Storage');
      }
      return { fileData: { mimeType: source.mediaType ?? undefined, fileUri: source.fileId } };
    default:
      return source satisfies never;
  }
}
