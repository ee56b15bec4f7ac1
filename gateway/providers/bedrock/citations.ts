import type { Citation } from '#translation/chat/parts.ts';
import { isRecord } from './json.ts';

const LOCATIONS = [
  ['documentChar', 'char'],
  ['documentPage', 'page'],
  ['documentChunk', 'block'],
] as const;

/** A `Citation` of Converse, or the delta that brings one; null for kinds of places that the neutral form has not. */
export function readCitation(value: unknown): Citation | null {
  if (!isRecord(value) || !isRecord(value['location'])) return null;
  const { title, location } = value;
  const citedText = readTexts(value['sourceContent']);
  const { web } = location;
  if (isRecord(web)) {
    if (typeof web['url'] !== 'string') return null;
    return {
      kind: 'url',
      url: web['url'],
      title: textOf(title),
      citedText: citedText === '' ? null : citedText,
      startIndex: null,
      endIndex: null,
    };
  }
  for (const [key, unit] of LOCATIONS) {
    const place = location[key];
    if (!isRecord(place)) continue;
    return {
      kind: 'document',
      documentIndex: numberOf(place['documentIndex']),
      documentTitle: textOf(title),
      citedText,
      unit,
      from: numberOf(place['start']),
      to: numberOf(place['end']),
    };
  }
  return null;
}

/** The same for a turn that is sent back. */
export function writeCitation(citation: Citation): object {
  const title = citation.kind === 'url' ? citation.title : citation.documentTitle;
  return {
    ...(title === null ? {} : { title }),
    ...(citation.citedText === null ? {} : { sourceContent: [{ text: citation.citedText }] }),
    location: writeLocation(citation),
  };
}

function writeLocation(citation: Citation): object {
  if (citation.kind === 'url') return { web: { url: citation.url } };
  const key = LOCATIONS.find(([, unit]) => unit === citation.unit)![0];
  return { [key]: { documentIndex: citation.documentIndex, start: citation.from, end: citation.to } };
}

/** The texts of a list of `{text}`, joined. */
export function readTexts(list: unknown): string {
  if (!Array.isArray(list)) return '';
  return list.map((item) => (isRecord(item) && typeof item['text'] === 'string' ? item['text'] : '')).join('');
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
