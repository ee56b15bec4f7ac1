import type { Random } from './random.ts';

/**
 * What a token is here: up to four characters of one word, with the white space before it. `tokenize` cuts a text
 * into tokens that join to the same text (white space at the end is lost); `countTokens` counts them without cutting.
 */
const TOKEN = /\s*\S{1,4}/gu;

/** The tokens of a text, in order. */
export function tokenize(text: string): string[] {
  return text.match(TOKEN) ?? [];
}

/** hot: how many tokens `tokenize` would give, in one pass and without allocation. */
export function countTokens(text: string): number {
  let tokens = 0;
  let runLength = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit <= 32 ? isAsciiSpace(unit) : unit >= 0xa0 && isWideSpace(unit)) {
      runLength = 0;
    } else if (!isSecondHalf(text, at, unit)) {
      if (runLength++ % 4 === 0) tokens++;
    }
  }
  return tokens;
}

function isAsciiSpace(unit: number): boolean {
  return unit === 32 || (unit >= 9 && unit <= 13);
}

function isWideSpace(unit: number): boolean {
  return unit === 0xa0 || (unit >= 0x1680 && /\s/u.test(String.fromCharCode(unit)));
}

/** The low half of a surrogate pair belongs to the character before it. */
function isSecondHalf(text: string, at: number, unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff && at > 0 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
}

/** No word is longer than four letters: each is one token, so an answer never ends inside a word. */
const WORDS = (
  'the a in on to of and with from then left step jab hook ring bell bout gate rope fist feet spin slip duck slow fast ' +
  'long hard head body hand eyes team gym crew coat belt win lose draw hold move wait clap call side down up over'
).split(' ');

/** The first `tokens` tokens of an answer that begins with the model's name: `[name] word word …`. */
export function composeAnswer(model: string, random: Random, tokens: number): string[] {
  const pieces = tokenize(`[${model}]`);
  while (pieces.length < tokens) pieces.push(` ${WORDS[Math.floor(random() * WORDS.length)]}`);
  pieces.length = tokens;
  return pieces;
}
