import type { IncomingHttpHeaders } from 'node:http';
import { RingsideError } from '#core/errors.ts';
import { type Metadata, parseMetadata } from '#core/metadata.ts';
import { headerText } from './header-text.ts';

const HEADER = 'x-ringside-metadata';

/**
 * What the caller says about its request: the header's fields over those of the body's `metadata`. The header is for us, so a bad one
 * is refused; the body's field is for the upstream.
 * @throws bad_request naming the header
 */
export function readMetadata(headers: IncomingHttpHeaders, fromBody: Metadata | null): Metadata | null {
  const header = headers[HEADER];
  if (typeof header !== 'string') return fromBody;
  const parsed = parseMetadata(headerText(header));
  if (parsed.kind === 'bad') {
    throw new RingsideError('bad_request', `The header "${HEADER}" ${parsed.reason}.`, { param: HEADER });
  }
  return fromBody === null ? parsed.metadata : { ...fromBody, ...parsed.metadata };
}
