/** Where server-sent events begin and end in bytes that are passed on as they came. Lines end in LF or CR LF. */
const LF = 0x0a;
const CR = 0x0d;

/** The longest end of an event that may lie across two chunks: all but the last byte of CR LF CR LF. */
export const SEAM_BYTES = 3;

/** The offset behind the last blank line; 0 when no event is complete. */
export function lastEventEnd(bytes: Buffer): number {
  for (let at = bytes.lastIndexOf(LF); at > 0; at = bytes.lastIndexOf(LF, at - 1)) {
    const before = bytes[at - 1] === CR ? at - 2 : at - 1;
    if (bytes[before] === LF) return at + 1;
  }
  return 0;
}

/** Where the event begins that holds the character at `at` of a Latin-1 text; a blank line is in front of it, or `from`. */
export function startOfEvent(text: string, from: number, at: number): number {
  for (let line = text.lastIndexOf('\n', at); line > from; line = text.lastIndexOf('\n', line - 1)) {
    if (text[line - 1] === '\n' || (text[line - 1] === '\r' && text[line - 2] === '\n')) return line + 1;
  }
  return from;
}

/** The offset behind the event that starts at `from`, its blank line included. */
export function endOfEvent(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LF, from); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === CR ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return bytes.length;
}

/** The joined `data:` lines of an event; empty for comments. A byte order mark may stand before the first line. */
export function dataOf(event: Buffer): string {
  return event
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(line[5] === ' ' ? 6 : 5))
    .join('\n');
}

/** The last `count` bytes of several buffers, in one. */
export function tailOf(pieces: readonly Buffer[], count: number): Buffer {
  const tail: Buffer[] = [];
  let missing = count;
  for (let at = pieces.length - 1; at >= 0 && missing > 0; at--) {
    const piece = pieces[at]!;
    tail.unshift(piece.subarray(Math.max(0, piece.length - missing)));
    missing -= piece.length;
  }
  return tail.length === 1 ? tail[0]! : Buffer.concat(tail);
}
