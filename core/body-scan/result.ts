const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Where a value lies: `[start, end)` in bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type ScanResult =
  | {
      readonly kind: 'ok';
      /** Offset of the outer `{`. */
      readonly open: number;
      /** By index of the governed key; undefined when the key is absent. */
      readonly spans: readonly (Span | undefined)[];
    }
  | { readonly kind: 'bad'; readonly message: string; readonly param: string | null };

/** A refusal; `param` is the governed key that it is about. */
export function bad(message: string, param: string | null = null): ScanResult {
  return { kind: 'bad', message, param };
}

/** The text of a JSON string value; null when the span holds no valid JSON string. */
export function decodeString(bytes: Buffer, span: Span): string | null {
  if (bytes[span.start] !== QUOTE) return null;
  if (isPlain(bytes, span)) return bytes.toString('utf8', span.start + 1, span.end - 1);
  try {
    return JSON.parse(bytes.toString('utf8', span.start, span.end)) as string;
  } catch {
    return null; // a bad escape or a control character
  }
}

/** Whether what lies between the first byte and a closing quote stands for itself. */
function isPlain(bytes: Buffer, { start, end }: Span): boolean {
  let at = start + 1;
  for (; at < end - 1; at++) {
    const byte = bytes[at]!;
    if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) return false;
  }
  return at === end - 1 && bytes[at] === QUOTE;
}
