/**
 * How alike two answers' texts are, in [0, 1]. Both measures are of words alone: texts are normalised (NFKC, lower case, white space as
 * one space) first. Neither knows what words mean; an evaluator does.
 */

/** More words than the log keeps of nearly any answer; at twice as many the work would be four times as much (tens of milliseconds). */
const MAX_TOKENS = 2_000;
/** Of scripts that write no spaces each character is a token: a sentence as one token would be equal or different as a whole. */
const TOKENS =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}])[\p{L}\p{M}\p{N}])+|[^\s\p{L}\p{M}\p{N}]/gu;

/**
 * Twice the longest common subsequence of tokens, divided by the tokens of both: the share of words that stand in both, in the same
 * order. Of longer texts the first 2 000 tokens. Two empty texts are equal.
 */
export function tokenSimilarity(one: string, other: string): number {
  const [a, b] = [tokensOf(one), tokensOf(other)];
  if (a.length + b.length === 0) return 1;
  return (2 * longestCommonSubsequence(a, b)) / (a.length + b.length);
}

/** Cosine of the counts of three neighbouring characters: forgives spelling and endings, and sees little of the order. */
export function trigramSimilarity(one: string, other: string): number {
  const [a, b] = [normalise(one), normalise(other)];
  if (a === b) return 1;
  const [left, right] = [trigramsOf(a), trigramsOf(b)];
  let product = 0;
  for (const [gram, count] of left) product += count * (right.get(gram) ?? 0);
  const norm = Math.sqrt(squares(left) * squares(right));
  return norm === 0 ? 0 : Math.min(1, product / norm);
}

function normalise(text: string): string {
  return text.normalize('NFKC').toLowerCase().replaceAll(/\s+/gu, ' ').trim();
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  for (const [token] of normalise(text).matchAll(TOKENS)) {
    if (tokens.length === MAX_TOKENS) break;
    tokens.push(token);
  }
  return tokens;
}

/** One row of the usual table at a time, between a common start and a common end, which most pairs of answers have. */
function longestCommonSubsequence(a: readonly string[], b: readonly string[]): number {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const [rows, columns] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  const best = new Uint16Array(columns.length + 1);
  for (const token of rows) {
    let diagonal = 0;
    for (let column = 1; column <= columns.length; column++) {
      const above = best[column]!;
      best[column] = token === columns[column - 1] ? diagonal + 1 : Math.max(above, best[column - 1]!);
      diagonal = above;
    }
  }
  return start + end + best[columns.length]!;
}

/** A space at either end, so that the first and the last characters are in as many trigrams as the others, nearly. */
function trigramsOf(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  if (text === '') return counts;
  const padded = ` ${text} `;
  for (let at = 0; at + 3 <= padded.length; at++) {
    const gram = padded.slice(at, at + 3);
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

function squares(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count * count;
  return sum;
}
