/** Deeper than any arguments of a tool, and far from where recursion ends. */
const MAX_DEPTH = 100;

/**
 * JSON text in one form, for which the order of keys, white space and the spelling of numbers and characters make no difference. What
 * is no JSON, or is nested too deeply, is itself.
 */
export function canonicalJson(text: string): string {
  try {
    return write(JSON.parse(text), 0) ?? text;
  } catch {
    return text; // no JSON: models write arguments that do not parse
  }
}

function write(value: unknown, depth: number): string | null {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (depth >= MAX_DEPTH) return null;
  const isList = Array.isArray(value);
  const entries = isList
    ? value.map((item): [string, unknown] => ['', item])
    : Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  const parts: string[] = [];
  for (const [key, item] of entries) {
    const written = write(item, depth + 1);
    if (written === null) return null;
    parts.push(isList ? written : `${JSON.stringify(key)}:${written}`);
  }
  return isList ? `[${parts.join(',')}]` : `{${parts.join(',')}}`;
}
