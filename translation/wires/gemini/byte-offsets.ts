/**
 * Gemini counts the places of citations in UTF-8 bytes (GroundingMetadata.Segment, CitationSource), we in UTF-16 units. Null where a
 * place lies outside the text or inside a character.
 */
export function unitOffset(text: string, byteOffset: number): number | null {
  if (byteOffset < 0 || !Number.isInteger(byteOffset)) return null;
  const bytes = Buffer.from(text);
  if (byteOffset > bytes.length) return null;
  const before = bytes.toString('utf8', 0, byteOffset);
  return text.startsWith(before) ? before.length : null;
}

/** The reverse of {@link unitOffset}. */
export function byteOffset(text: string, unitOffset: number): number | null {
  if (unitOffset < 0 || unitOffset > text.length || !Number.isInteger(unitOffset)) return null;
  return Buffer.byteLength(text.slice(0, unitOffset));
}
