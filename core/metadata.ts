/** What an application says about a request of its own: a flat object. */
export type Metadata = Readonly<Record<string, string | number | boolean>>;

export type ParsedMetadata =
  | { readonly kind: 'ok'; readonly metadata: Metadata }
  /** `reason` completes "the metadata …". */
  | { readonly kind: 'bad'; readonly reason: string };

export const MAX_METADATA_BYTES = 4_096;
const MAX_METADATA_KEYS = 32;
const MAX_KEY_LENGTH = 128;

/** Reads the JSON text of a metadata object that a store can hold. */
export function parseMetadata(json: string, maxBytes = MAX_METADATA_BYTES): ParsedMetadata {
  if (Buffer.byteLength(json) > maxBytes) return bad(`must not be longer than ${maxBytes} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return bad('must be a JSON object'); // the parser's own message would quote the text
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad('must be a JSON object');
  const entries = Object.entries(value);
  if (entries.length > MAX_METADATA_KEYS) return bad(`must not have more than ${MAX_METADATA_KEYS} keys`);
  for (const [key, item] of entries) {
    const fault = faultOf(key, item);
    if (fault !== null) return bad(fault);
  }
  return { kind: 'ok', metadata: value as Metadata };
}

function faultOf(key: string, value: unknown): string | null {
  if (key === '' || key.length > MAX_KEY_LENGTH) return `must have keys of 1 to ${MAX_KEY_LENGTH} characters`;
  if (!isStorable(key)) return 'must not hold NUL or half of a surrogate pair in a key';
  switch (typeof value) {
    case 'boolean':
      return null;
    case 'number':
      return Number.isFinite(value) ? null : `must have a number of usual size at "${key}"`;
    case 'string':
      return isStorable(value) ? null : `must not hold NUL or half of a surrogate pair at "${key}"`;
    default:
      return `must have a string, a number or a boolean at "${key}"`;
  }
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

function bad(reason: string): ParsedMetadata {
  return { kind: 'bad', reason };
}
