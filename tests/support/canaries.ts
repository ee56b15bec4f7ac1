import fc from 'fast-check';

/** Texts that must not be found anywhere once redaction is on, by what finds them. */
export const CANARIES = {
  email: ['alice.canary@example.com', "o'canary+tag@mail.example.co.uk", 'CANARY_7@EXAMPLE.ORG'],
  phone: ['+49 170 5550123', '(415) 555-0132', '0171 5550123', '+14155550132', '06 99 55 01 23'],
  card: ['4111 1111 1111 1111', '5555-5555-5555-4444', '378282246310005', '6011111111111117'],
  iban: ['DE89 3704 0044 0532 0130 00', 'GB29NWBK60161331926819', 'fr1420041010050500013m02606'],
} as const;

export const EVERY_CANARY: readonly string[] = Object.values(CANARIES).flat();

/** Words without a meaning for any detector: no digits, no "@". */
const filler = fc
  .string({ unit: fc.constantFrom(...'abc äß你😀.,;:!?\\"\'{}[]<>\n\t'), maxLength: 40 })
  .map((text) => text.replaceAll('+', ''));

/** A text with canaries between other words, set off by blanks. */
export const textWithCanaries: fc.Arbitrary<string> = fc
  .array(fc.tuple(filler, fc.constantFrom(...EVERY_CANARY)), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.map(([before, canary]) => `${before} ${canary} `).join(''));

/** A text with nothing to find. */
export const plainText: fc.Arbitrary<string> = filler;

/** Cuts a text or bytes at any places. */
export function cutAt<Sliceable extends { readonly length: number; slice(from: number, to: number): Sliceable }>(
  whole: Sliceable,
  points: readonly number[],
): Sliceable[] {
  const places = [0, ...points.map((point) => point % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return places.slice(1).map((to, index) => whole.slice(places[index]!, to));
}

/** The canaries that stand in these bytes, as they are or without their separators. */
export function canariesIn(bytes: Buffer): string[] {
  const text = bytes.toString('utf8').toLowerCase();
  const bare = text.replaceAll(/[ -]/g, '');
  return EVERY_CANARY.filter((canary) => {
    const wanted = canary.toLowerCase();
    return text.includes(wanted) || bare.includes(wanted.replaceAll(/[ -]/g, ''));
  });
}
