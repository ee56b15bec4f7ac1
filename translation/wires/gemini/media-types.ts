/** Media types by the ending of a URL's path: those that Gemini's documents on files, images, audio and video name (read 2026-11). */
const BY_ENDING: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  heif: 'image/heif',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  html: 'text/html',
  csv: 'text/csv',
  xml: 'text/xml',
  json: 'application/json',
  wav: 'audio/wav',
  mp3: 'audio/mp3',
  aiff: 'audio/aiff',
  aac: 'audio/aac',
  ogg: 'audio/ogg',
  flac: 'audio/flac',
  mp4: 'video/mp4',
  mpeg: 'video/mpeg',
  mov: 'video/mov',
  avi: 'video/avi',
  webm: 'video/webm',
  wmv: 'video/wmv',
};

/** What a URL seems to hold; null where its path does not end in a known way. */
export function mediaTypeOfUrl(url: string): string | null {
  const ending = /\.([a-z0-9]{2,4})(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase();
  return ending !== undefined && Object.hasOwn(BY_ENDING, ending) ? BY_ENDING[ending]! : null;
}

/** A file that Google keeps (Files API or Cloud Storage): nobody else can read it. */
export function isGoogleFile(uri: string): boolean {
  return uri.startsWith('gs://') || uri.startsWith('https://generativelanguage.googleapis.com/');
}

/** Gemini takes links to videos of this site; they have no media type. */
export function isVideoLink(uri: string): boolean {
  return /^https:\/\/(?:www\.youtube\.com|youtube\.com|youtu\.be)\//.test(uri);
}
