import type { At, DocumentPart, ImagePart } from '#translation/chat/parts.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { JsonObject } from '#translation/chat/request.ts';

/** What Claude sees (Anthropic's page "Vision", read 2026-11). */
const IMAGE_TYPES: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp']);

/** The `source` of an image block. */
export function writeImageSource({ at, source }: ImagePart, refusals: Refusals): JsonObject {
  if (source.kind === 'base64' && !IMAGE_TYPES.has(source.mediaType)) {
    return refusals.content(at, `sees JPEG, PNG, GIF and WebP images, not "${source.mediaType}"`);
  }
  return writeSource(at, source, refusals);
}

/** The `source` of a document block. */
export function writeDocumentSource({ at, source }: DocumentPart, refusals: Refusals): JsonObject {
  if (source.kind === 'text') return textSource(source.text);
  if (source.kind === 'base64' && source.mediaType.startsWith('text/')) {
    return textSource(Buffer.from(source.data, 'base64').toString('utf8'));
  }
  if (source.kind === 'base64' && source.mediaType !== 'application/pdf') {
    return refusals.content(at, `reads PDF and plain text, not "${source.mediaType}"`);
  }
  return writeSource(at, source, refusals);
}

function textSource(data: string): JsonObject {
  return { type: 'text', media_type: 'text/plain', data };
}

function writeSource(at: At, source: ImagePart['source'], refusals: Refusals): JsonObject {
  switch (source.kind) {
    case 'base64':
      return { type: 'base64', media_type: source.mediaType, data: source.data };
    case 'url':
      if (!/^https?:\/\//i.test(source.url)) return refusals.content(at, 'fetches addresses of the web only');
      return { type: 'url', url: source.url };
    case 'file':
      return { type: 'file', file_id: source.fileId };
    default:
      return source satisfies never;
  }
}
