/** Between two groups of digits: blanks, dots, dashes, slashes, parentheses. */
const SEPARATORS = new Set(
  [...' \t\u00a0\u2007\u2009\u202f.-\u2010\u2011\u2012\u2013/()'].map((mark) => mark.charCodeAt(0)),
);
const MAX_SEPARATORS = 3;

/** Groups of digits with little between them, as cards and telephone numbers are written. */
export interface DigitRun {
  /** All its digits. */
  readonly digits: string;
  /** Where each group starts … */
  readonly starts: readonly number[];
  /** … and ends, in UTF-16 units of the text; … */
  readonly ends: readonly number[];
  /** … and how many digits lie in front of it; one more entry than groups, the last says how many digits there are. */
  readonly counts: readonly number[];
}

/** What is told of the digits of a text. */
export interface DigitVisitor {
  /** The first group of each run, `[start, end)`: a cheap look before the run is taken apart. */
  readonly group: ((start: number, end: number) => void) | null;
  /** Each run with at least `MIN_RUN_DIGITS` digits. */
  readonly run: ((run: DigitRun) => void) | null;
}

/** Shorter ones are neither cards nor telephone numbers. */
const MIN_RUN_DIGITS = 8;

// hot
/** One pass and no backtracking: what is captured is anybody's text. */
export function visitDigits(text: string, visitor: DigitVisitor): void {
  const digit = /[0-9]/g;
  while (digit.test(text)) {
    const start = digit.lastIndex - 1;
    const end = endOfGroup(text, start);
    visitor.group?.(start, end);
    const next = startOfNext(text, end);
    if (next !== -1) digit.lastIndex = visitRun(text, start, end, next, visitor.run);
    else {
      digit.lastIndex = end;
      if (end - start < MIN_RUN_DIGITS || visitor.run === null) continue;
      visitor.run({ digits: text.slice(start, end), starts: [start], ends: [end], counts: [0, end - start] });
    }
  }
}

/** Takes a run of several groups apart; returns where it ends. */
function visitRun(text: string, first: number, end: number, next: number, visit: DigitVisitor['run']): number {
  const starts = [first];
  const ends = [end];
  const counts = [0, end - first];
  let digits = text.slice(first, end);
  let last = end;
  for (let start = next; start !== -1; start = startOfNext(text, last)) {
    last = endOfGroup(text, start);
    digits += text.slice(start, last);
    starts.push(start);
    ends.push(last);
    counts.push(digits.length);
  }
  if (digits.length >= MIN_RUN_DIGITS) visit?.({ digits, starts, ends, counts });
  return last;
}

function endOfGroup(text: string, start: number): number {
  let end = start + 1;
  while (isDigit(text.charCodeAt(end))) end++;
  return end;
}

/** Where the next group starts behind one that ends at `end`; -1 when none follows closely. */
function startOfNext(text: string, end: number): number {
  let at = end;
  while (at - end < MAX_SEPARATORS && SEPARATORS.has(text.charCodeAt(at))) at++;
  return at > end && isDigit(text.charCodeAt(at)) ? at : -1;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
