/** A place in a text that must not be kept: `[start, end)` in UTF-16 units, and what stands there instead: `[redacted:kind]`. */
export interface Finding {
  readonly start: number;
  readonly end: number;
  readonly kind: string;
}

/** What stands in the place of something that is not kept. */
export function labelOf(kind: string): string {
  return `[redacted:${kind}]`;
}

/**
 * The text with one label in place of all findings that overlap, up to `keep`; a finding that reaches over `keep` is replaced
 * whole. The first of them, and the longest of those, gives the label.
 */
export function replaceFindings(text: string, findings: Finding[], keep = text.length): string {
  if (findings.length === 0) return keep >= text.length ? text : text.slice(0, keep);
  const sorted = findings.sort((a, b) => a.start - b.start || b.end - a.end);
  let out = '';
  let at = 0;
  for (const { start, end, kind } of sorted) {
    if (start >= keep) break;
    if (at > 0 && start < at) {
      at = Math.max(at, end);
      continue;
    }
    out += text.slice(at, start) + labelOf(kind);
    at = end;
  }
  return at >= keep ? out : out + text.slice(at, keep);
}
