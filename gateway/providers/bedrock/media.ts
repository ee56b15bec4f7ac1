import type { Source } from '#translation/chat/parts.ts';
import type { Refusals } from '#translation/chat/refusals.ts';

/** Media types by the formats that Converse names (enums ImageFormat, DocumentFormat, AudioFormat, VideoFormat). */
const FORMATS = {
  image: {
    'image/png': 'png',
    'image/jpeg': 'jpeg',
    'image/jpg': 'jpeg',
    'image/gif': 'gif',
    'image/webp': 'webp',
  },
  document: {
    'application/pdf': 'pdf',
    'text/csv': 'csv',
    'application/msword': 'doc',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
    'application/vnd.ms-excel': 'xls',
    'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
    'text/html': 'html',
    'text/plain': 'txt',
    'text/markdown': 'md',
  },
  audio: {
    'audio/mpeg': 'mp3',
    'audio/mp3': 'mp3',
    'audio/wav': 'wav',
    'audio/x-wav': 'wav',
    'audio/wave': 'wav',
    'audio/flac': 'flac',
    'audio/ogg': 'ogg',
    'audio/opus': 'opus',
    'audio/aac': 'aac',
    'audio/mp4': 'mp4',
    'audio/webm': 'webm',
    'audio/pcm': 'pcm',
  },
  video: {
    'video/mp4': 'mp4',
    'video/quicktime': 'mov',
    'video/x-matroska': 'mkv',
    'video/webm': 'webm',
    'video/x-flv': 'flv',
    'video/mpeg': 'mpeg',
    'video/x-ms-wmv': 'wmv',
    'video/3gpp': 'three_gp',
  },
} as const;

export interface Media {
  readonly format: string;
  readonly source: { readonly bytes: string };
}

/**
 * Bytes with their format. Converse reads no web addresses; it reads S3 objects, with the rights of our credentials and not with the
 * caller's, so that those are refused as well.
 */
export function writeMedia(kind: keyof typeof FORMATS, source: Source, at: string, refusals: Refusals): Media {
  if (source.kind !== 'base64') {
    const what = source.kind === 'url' ? 'under an address' : 'that are stored elsewhere';
    refusals.content(at, `takes no ${kind === 'audio' ? 'recordings' : `${kind}s`} ${what}: send the bytes`);
  }
  const formats: Readonly<Record<string, string>> = FORMATS[kind];
  const mediaType = source.mediaType.split(';', 1)[0]!.trim().toLowerCase();
  const format = Object.hasOwn(formats, mediaType) ? formats[mediaType] : undefined;
  if (format === undefined) refusals.content(at, `takes no ${kind} of the type "${mediaType.slice(0, 100)}"`);
  return { format, source: { bytes: source.data } };
}

/** The media type of an image that the model made. */
export function imageType(format: string): string {
  return `image/${format}`;
}

/**
 * Documents must have names of letters, digits, single spaces, hyphens, parentheses and brackets, and no two the same name.
 * `taken` counts, by name, how often it was wanted.
 */
export function documentName(title: string | null, taken: Map<string, number>): string {
  const clean = (title ?? '')
    .replace(/[^\p{L}\p{N}\s()[\]-]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 180);
  const base = clean === '' ? 'document' : clean;
  let count = taken.get(base) ?? 0;
  let name: string;
  do {
    count++;
    name = count === 1 ? base : `${base} ${count}`;
  } while (name !== base && taken.has(name));
  taken.set(base, count);
  if (name !== base) taken.set(name, 1);
  return name;
}
