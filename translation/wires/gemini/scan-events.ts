import type { FrameScanner } from './frames.ts';

const LF = 0x0a;
const CR = 0x0d;

/** Finds the blank lines that end server-sent events; lines end in LF or CR LF (Google sends the latter). */
export function scanEvents(): FrameScanner {
  /** What stands in the line so far: nothing, one CR, or more. */
  let line: 'empty' | 'cr' | 'text' = 'empty';
  return {
    endOfFrame(chunk, from) {
      let start = from;
      for (let at = chunk.indexOf(LF, from); at !== -1; at = chunk.indexOf(LF, start)) {
        const here = at - start;
        const isBlank =
          (line === 'empty' && (here === 0 || (here === 1 && chunk[start] === CR))) || (line === 'cr' && here === 0);
        line = 'empty';
        start = at + 1;
        if (isBlank) return start;
      }
      const rest = chunk.length - start;
      if (rest > 0) line = line === 'empty' && rest === 1 && chunk[start] === CR ? 'cr' : 'text';
      return -1;
    },
    jsonOf: dataOf,
    isEnd: () => false,
  };
}

/** The joined `data:` lines of an event; null for comments. A byte order mark may stand before the first line. */
function dataOf(event: Buffer): Buffer | null {
  const lines = event
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(line[5] === ' ' ? 6 : 5));
  return lines.length === 0 ? null : Buffer.from(lines.join('\n'));
}
