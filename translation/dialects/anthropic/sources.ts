import type { DocumentPart, Source } from '../../chat/parts.ts';
import { bad, Fields, onlyAnthropic } from './fields.ts';
import type { Reading } from './reading.ts';

/** The `source` of an image block. */
export function readImageSource(block: Fields, { extras }: Reading): Source {
  const source = block.neededFields('source');
  const type = source.neededText('type');
  const read = readSource(source, type);
  if (read === null) throw bad(source.path('type'), 'must be "base64", "url" or "file"');
  source.leave(extras);
  return read;
}

/** The `source` of a document block. `hasCitations`: the answer shall cite it, so that its pieces count. */
export function readDocumentSource(block: Fields, hasCitations: boolean, { extras }: Reading): DocumentPart['source'] {
  const source = block.neededFields('source');
  const type = source.neededText('type');
  const read = readSource(source, type) ?? readTextSource(source, type, hasCitations);
  source.leave(extras);
  return read;
}

function readSource(source: Fields, type: string): Source | null {
  switch (type) {
    case 'base64':
      return { kind: 'base64', mediaType: source.neededText('media_type'), data: source.neededText('data') };
    case 'url':
      return { kind: 'url', url: source.neededText('url') };
    case 'file':
      return { kind: 'file', fileId: source.neededText('file_id'), mediaType: null };
    default:
      return null;
  }
}

function readTextSource(source: Fields, type: string, hasCitations: boolean): { kind: 'text'; text: string } {
  if (type === 'text') {
    source.take('media_type');
    return { kind: 'text', text: source.neededText('data') };
  }
  if (type !== 'content') throw bad(source.path('type'), 'must be "base64", "text", "content", "url" or "file"');
  const content = source.take('content');
  if (typeof content === 'string') return { kind: 'text', text: content };
  if (!Array.isArray(content)) throw bad(source.path('content'), 'must be a string or a list of blocks');
  if (hasCitations && content.length > 1) throw onlyAnthropic(source.path('content'), 'a document cited by its blocks');
  const texts = content.map((item: unknown, index) => {
    const block = new Fields(item, `${source.path('content')}[${index}]`);
    if (block.neededText('type') !== 'text') throw onlyAnthropic(block.at, 'a document with images in it');
    return block.neededText('text');
  });
  return { kind: 'text', text: texts.join('\n\n') };
}
