/** What a `Content-Type` says of a form. */
export type BoundaryReading =
  | { readonly kind: 'boundary'; readonly boundary: string }
  /** It is another media type, or none. */
  | { readonly kind: 'other' }
  | { readonly kind: 'bad'; readonly message: string };

const FORM = /^multipart\/form-data[ \t]*(?=;|$)/i;
/** RFC 9110, section 5.6.6; without the escapes of a quoted string, which no boundary needs and parsers read in two ways. */
const PARAMETER = /[ \t]*;[ \t]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)=(?:"([^"\\]*)"|([A-Za-z0-9!#$%&'*+.^_`|~-]+))/y;
/** RFC 2046, section 5.1.1, without the blank: servers disagree on one inside of a boundary. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=?]{1,70}$/;

/**
 * Reads the boundary of a form (RFC 7578, section 4.1). What servers may read differently is bad: several boundaries, other
 * parameters than `charset=utf-8`, one that is quoted in a way that needs unescaping.
 */
export function readBoundary(contentType: string | undefined): BoundaryReading {
  const type = contentType === undefined ? null : FORM.exec(contentType);
  if (type === null) return { kind: 'other' };
  const text = contentType!.trimEnd();
  let boundary: string | undefined;
  for (PARAMETER.lastIndex = type[0].length; PARAMETER.lastIndex < text.length; ) {
    const match = PARAMETER.exec(text);
    if (match === null) return bad('its parameters cannot be read');
    const name = match[1]!.toLowerCase();
    const value = match[2] ?? match[3]!;
    if (name === 'charset' && /^utf-?8$/i.test(value)) continue;
    if (name !== 'boundary') return bad(`of a form takes no parameter "${name}"`);
    if (boundary !== undefined) return bad('has more than one boundary');
    boundary = value;
  }
  if (boundary === undefined) return bad('has no boundary');
  return BOUNDARY.test(boundary)
    ? { kind: 'boundary', boundary }
    : bad('has a boundary that RFC 2046 does not allow; use up to 70 letters, digits and hyphens');
}

/** The media type of a form with this boundary, as every server reads it. */
export function formType(boundary: string): string {
  return /^[A-Za-z0-9'+_.-]+$/.test(boundary)
    ? `multipart/form-data; boundary=${boundary}`
    : `multipart/form-data; boundary="${boundary}"`;
}

function bad(why: string): BoundaryReading {
  return { kind: 'bad', message: `The content type ${why}.` };
}
