/** What the head of a form's part says. */
export type PartHead =
  | {
      readonly kind: 'part';
      readonly name: string;
      /** It has a file's name: no server takes it for a field. */
      readonly isFile: boolean;
      /** Whether its bytes are its text: UTF-8 or a part of it, and not encoded. */
      readonly isPlain: boolean;
    }
  | { readonly kind: 'bad'; readonly message: string };

const MAX_LINES = 16;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;
const LINE = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*(.*?)[ \t]*$/;
const PARAMETER = /[ \t]*;[ \t]*([A-Za-z*]+)=(?:"([^"\\]*)"|([A-Za-z0-9!#$&'+.^_`|~-]+))/y;
const EXTENDED = /[ \t]*;[ \t]*filename\*=utf-8'[A-Za-z-]*'[A-Za-z0-9!#$&+.^_`|~%-]*/iy;
/** Printable ASCII. What servers unescape, decode or cut a name at is no part of one. */
const NAME = /^[\x20-\x7e]{1,256}$/;
const PLAIN_TYPE = /^text\/plain(?:[ \t]*;[ \t]*charset="?(?:utf-?8|us-ascii|iso-8859-1)"?)?$/i;
const PLAIN_ENCODING = /^(?:7bit|8bit|binary)$/i;

/**
 * Reads the head of a part (RFC 7578, section 4.2; RFC 6266 for the spelling of a file's name), in Latin-1, without the empty line behind
 * it. A head that two servers could read differently is bad: folded lines, escapes in quoted strings, parameters twice or that
 * are not known (`name*=` would be another name), parts that hold parts.
 */
export function readPartHead(text: string): PartHead {
  const lines = text.split('\r\n');
  if (lines.length > MAX_LINES) return bad('has too many lines');
  let disposition: string | undefined;
  let isPlain = true;
  for (const line of lines) {
    const match = CONTROL.test(line) ? null : LINE.exec(line);
    if (match === null) return bad('cannot be read');
    const value = match[2]!;
    switch (match[1]!.toLowerCase()) {
      case 'content-disposition':
        if (disposition !== undefined) return bad('has two of "Content-Disposition"');
        disposition = value;
        break;
      case 'content-type':
        if (/^(?:multipart|message)\//i.test(value)) return bad('holds other parts; send each as a part of its own');
        if (/name/i.test(value)) return bad('has a "Content-Type" with a name');
        isPlain &&= PLAIN_TYPE.test(value);
        break;
      case 'content-transfer-encoding':
        isPlain &&= PLAIN_ENCODING.test(value);
        break;
      case 'content-length':
        break;
      default:
        // RFC 7578, section 4.8: others must not be there.
        return bad('has a header that no form has');
    }
  }
  return disposition === undefined ? bad('has no "Content-Disposition"') : readDisposition(disposition, isPlain);
}

function readDisposition(text: string, isPlain: boolean): PartHead {
  const type = /^form-data(?=[ \t]*;)/i.exec(text);
  if (type === null) return bad('is not of the kind "form-data"');
  const found = new Map<string, string>();
  for (let at = type[0].length; at < text.length; ) {
    const parameter = readParameter(text, at);
    if (parameter === null || found.has(parameter.name)) return bad('has a "Content-Disposition" that cannot be read');
    found.set(parameter.name, parameter.value);
    at = parameter.end;
  }
  const name = found.get('name');
  if (name === undefined || !NAME.test(name) || /[%;]/.test(name))
    return bad('has no name, or one that cannot be read');
  // Servers that cut a header at each semicolon would find a name in it.
  if (found.get('filename')?.includes(';')) return bad('has a file name with a semicolon');
  return { kind: 'part', name, isFile: found.has('filename') || found.has('filename*'), isPlain };
}

const PARAMETERS = new Set(['name', 'filename']);

function readParameter(text: string, at: number): { name: string; value: string; end: number } | null {
  EXTENDED.lastIndex = at;
  if (EXTENDED.test(text)) return { name: 'filename*', value: '', end: EXTENDED.lastIndex };
  PARAMETER.lastIndex = at;
  const match = PARAMETER.exec(text);
  const name = match?.[1]?.toLowerCase();
  if (match === null || name === undefined || !PARAMETERS.has(name)) return null;
  return { name, value: match[2] ?? match[3]!, end: PARAMETER.lastIndex };
}

function bad(why: string): PartHead {
  return { kind: 'bad', message: `A part of the form ${why}.` };
}
