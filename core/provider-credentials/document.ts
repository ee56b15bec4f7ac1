import type { z } from 'zod';

/** What a provider's `apiKey` says, or what is wrong with it: a sentence that names fields and never holds a value. */
export type ParsedCredentials<Credentials> =
  | { readonly kind: 'ok'; readonly credentials: Credentials }
  | { readonly kind: 'invalid'; readonly message: string };

/** Whether a key is meant as a JSON document; no key of any provider begins so. */
export function isDocument(apiKey: string): boolean {
  return apiKey.trimStart().startsWith('{');
}

/** Reads a key that is a JSON document. */
export function parseDocument<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
): ParsedCredentials<z.output<Schema>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message would quote the text.
    return { kind: 'invalid', message: 'begins as JSON and is none' };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { kind: 'ok', credentials: parsed.data };
  return { kind: 'invalid', message: parsed.error.issues.map(sentenceOf).join('; ') };
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  // A field's name may be anything, also a secret in the wrong place.
  if (issue.code === 'unrecognized_keys') return 'holds a field that is not known';
  const field = issue.path.join('.');
  const isMissing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  return field === '' ? 'is no JSON object' : `"${field}" ${isMissing ? 'is missing' : issue.message}`;
}
