/** What TypeScript's library does not know yet of ECMA-262's JSON.parse source text access. */
interface SourceTextJson {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): value is { readonly rawJSON: string };
}
const json = JSON as unknown as SourceTextJson;

/** A double holds this many decimal digits whatever they are. */
const EXACT_DIGITS = 15;
/** A number with more digits than a double holds; inside a text it only costs a slower parse. */
const LONG_NUMBER = /[\d.]{16}/;

/**
 * Parses JSON so that `JSON.stringify` writes each number as it was: Gemini's API has tool arguments as JSON objects where others
 * have text, and an id of 19 digits must not be rounded on its way between the two. Throws a SyntaxError as JSON.parse does.
 */
export function parseExact(text: string): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text);
  return json.parse(text, (_, value, { source }) => {
    if (typeof value !== 'number' || source === undefined) return value;
    const isRounded = source.replace(/\D/g, '').length > EXACT_DIGITS && String(value) !== source;
    return isRounded ? json.rawJSON(source) : value;
  });
}

/** A number that was kept exact, as the double that it is to everybody who counts with it; all else as it is. */
export function roundedNumber(value: unknown): unknown {
  return json.isRawJSON(value) ? Number(value.rawJSON) : value;
}

export type JsonRecord = Record<string, unknown>;

/** A JSON object, and no list. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Brackets that a text may hold before it is tried whether they are nested too deeply. */
const FLAT_BRACKETS = 1_000;

/** The object that a text is; null for everything else, and for one that is nested so deeply that it could not be written again. */
export function parseRecord(text: string): JsonRecord | null {
  try {
    const value = parseExact(text);
    if (!isRecord(value)) return null;
    if (hasManyBrackets(text)) JSON.stringify(value);
    return value;
  } catch {
    return null;
  }
}

function hasManyBrackets(text: string): boolean {
  let brackets = 0;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      if (++brackets > FLAT_BRACKETS) return true;
    }
  }
  return false;
}
