/** Between two groups of digits: blanks, dots, dashes, slashes, parentheses. */
const SEPARATORS = new Set(
  [...' \t\u00a0\u2007\u2009\u202f.-\u2010\u2011\u2012\u2013/()'].map((mark) => mark.charCodeAt(0)),
);
const MAX_SEPARATORS = 3;

/** Groups of digits with little between them, as cards and telephone numbers are written. */
export interface DigitRun {
  /** Where each group starts … */
  readonly starts: readonly number[];
  /** … and ends, in UTF-16 units of the text. */
  readonly ends: readonly number[];
}

/**
 * Calls `visit` for every run with at least `minDigits` digits. One pass and no backtracking: what is captured is anybody's text.
 */
export function forEachDigitRun(text: string, minDigits: number, visit: (run: DigitRun) => void): void {
  const digit = /[0-9]/g;
  for (let found = digit.exec(text); found !== null; found = digit.exec(text)) {
    const starts: number[] = [];
    const ends: number[] = [];
    let digits = 0;
    let at = found.index;
    for (;;) {
      const start = at;
      while (isDigit(text.charCodeAt(at))) at++;
      starts.push(start);
      ends.push(at);
      digits += at - start;
      let next = at;
      while (next - at < MAX_SEPARATORS && SEPARATORS.has(text.charCodeAt(next))) next++;
      if (next === at || !isDigit(text.charCodeAt(next))) break;
      at = next;
    }
    if (digits >= minDigits) visit({ starts, ends });
    digit.lastIndex = at;
  }
}

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
