/** A form as a provider's server reads it: fields as text, files as bytes; in order, repeats included. */
export type FormPart =
  | { readonly name: string; readonly text: string }
  | { readonly name: string; readonly fileName: string; readonly bytes: Buffer };

export type Form = readonly FormPart[];

const BOUNDARY = /^multipart\/form-data\b.*;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i;

/** Reads a `multipart/form-data` body (RFC 7578); undefined for what is none. */
export function readForm(body: Buffer, contentType: string | undefined): Form | undefined {
  const match = BOUNDARY.exec(contentType ?? '');
  if (match === null) return undefined;
  const delimiter = Buffer.from(`--${match[1] ?? match[2]}`, 'latin1');
  const parts: FormPart[] = [];
  for (let at = body.indexOf(delimiter); at !== -1; ) {
    const start = at + delimiter.length + 2;
    if (body.toString('latin1', start - 2, start) === '--') return parts;
    at = body.indexOf(delimiter, start);
    const part = at === -1 ? undefined : readPart(body.subarray(start, at - 2));
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return undefined;
}

function readPart(bytes: Buffer): FormPart | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const disposition = /^content-disposition:(.*)$/im.exec(bytes.toString('utf8', 0, end))?.[1] ?? '';
  const name = /[;\s]name="?([^";]*)/i.exec(disposition)?.[1];
  if (name === undefined) return undefined;
  const fileName = /filename="?([^";]*)/i.exec(disposition)?.[1];
  const content = bytes.subarray(end + 4);
  return fileName === undefined ? { name, text: content.toString('utf8') } : { name, fileName, bytes: content };
}

/** The text of the last field of this name. */
export function fieldOf(form: Form, name: string): string | undefined {
  const part = form.findLast((one) => one.name === name);
  return part !== undefined && 'text' in part ? part.text : undefined;
}

/** The files of this name, or of this name as a list (`image[]`). */
export function filesOf(form: Form, name: string): Buffer[] {
  return form.flatMap((part) => ('bytes' in part && [name, `${name}[]`].includes(part.name) ? [part.bytes] : []));
}
