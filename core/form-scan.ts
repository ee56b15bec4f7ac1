import type { Span } from './body-scan.ts';
import { readPartHead } from './form-scan/part-head.ts';

export { formType, readBoundary } from './form-scan/boundary.ts';

/** A field of a form that was looked for. */
export interface FormField {
  /** Head and value: what lies between two delimiters. */
  readonly part: Span;
  readonly value: Span;
}

export type FormScan =
  | {
      readonly kind: 'ok';
      /** By index of the names; undefined where the form has no such field. */
      readonly fields: readonly (FormField | undefined)[];
    }
  | { readonly kind: 'bad'; readonly message: string; readonly param: string | null };

const MAX_PARTS = 256;
const MAX_HEAD_BYTES = 8_192;
const CRLF = Buffer.from('\r\n');
const END_OF_HEAD = Buffer.from('\r\n\r\n');
const HYPHEN = 0x2d;

/**
 * Finds fields of a form (RFC 7578; RFC 2046, section 5.1) without copying it: one search for the delimiter over the bytes. A parser
 * differential must not carry a field past us, so that one way to write a form is taken, and every other is bad: text before the first
 * delimiter or behind the last, blanks behind a delimiter, lines that end in LF, the delimiter inside of a part. A field that is looked for
 * stands once, at the top (`model[]`, `model.x` and `Model` are refused), is no file, and is not encoded.
 */
export function scanForm(body: Buffer, boundary: string, names: readonly string[]): FormScan {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  const fields = new Array<FormField | undefined>(names.length).fill(undefined);
  if (body.indexOf(delimiter) !== 0) return bad('The form does not begin with its boundary.');
  let at = delimiter.length;
  for (let parts = 0; !isClose(body, at); parts++) {
    if (parts === MAX_PARTS) return bad(`The form has more than ${MAX_PARTS} parts.`);
    if (!isCrlf(body, at))
      return bad('Something stands behind a boundary of the form, or a line does not end in CR LF.');
    const start = at + CRLF.length;
    const next = body.indexOf(delimiter, start);
    if (next === -1) return bad('The form ends before its last boundary.');
    const end = next - CRLF.length;
    if (!isCrlf(body, end)) return bad('The boundary of the form stands inside of a part; choose another one.');
    const refusal = notePart(body, start, end, names, fields);
    if (refusal !== null) return refusal;
    at = next + delimiter.length;
  }
  at += 2;
  if (at !== body.length && !(isCrlf(body, at) && at + CRLF.length === body.length)) {
    return bad('The form goes on behind its last boundary.');
  }
  return { kind: 'ok', fields };
}

function notePart(
  body: Buffer,
  start: number,
  end: number,
  names: readonly string[],
  fields: (FormField | undefined)[],
): FormScan | null {
  const headEnd = body.subarray(start, Math.min(end, start + MAX_HEAD_BYTES)).indexOf(END_OF_HEAD);
  // A part without a value ends with its head's empty line: the CR LF of the delimiter comes behind that.
  if (headEnd === -1) return bad('A part of the form has no head, or one that is too long.');
  const head = readPartHead(body.toString('latin1', start, start + headEnd));
  if (head.kind === 'bad') return bad(head.message);
  if (head.name.toLowerCase() === '_charset_') return bad('The form may not choose another character set.');
  const index = names.indexOf(rootOf(head.name));
  const name = names[index];
  if (name === undefined) return null;
  if (head.name !== name) return bad(`The part ${JSON.stringify(head.name)} must be called "${name}".`, name);
  if (fields[index] !== undefined) return bad(`The part "${name}" appears twice; send it once.`, name);
  if (head.isFile) return bad(`The part "${name}" must be a field and no file.`, name);
  if (!head.isPlain) return bad(`The part "${name}" must be plain text in UTF-8.`, name);
  fields[index] = { part: { start, end }, value: { start: start + headEnd + END_OF_HEAD.length, end } };
  return null;
}

/** The key that a server which reads brackets and dots as nesting, which trims or ignores case, finds in a name. */
function rootOf(name: string): string {
  return (
    name
      .toLowerCase()
      .split(/[[\].\s]+/)
      .find((piece) => piece !== '') ?? ''
  );
}

function isClose(body: Buffer, at: number): boolean {
  return body[at] === HYPHEN && body[at + 1] === HYPHEN;
}

function isCrlf(body: Buffer, at: number): boolean {
  return body[at] === 0x0d && body[at + 1] === 0x0a;
}

function bad(message: string, param: string | null = null): FormScan {
  return { kind: 'bad', message, param };
}
