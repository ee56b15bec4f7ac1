import { invalid, Problem } from '../problem.ts';

/** The versions that an `If-Match` header allows; undefined: any. */
export type IfMatch = readonly string[] | undefined;

/** Reads `If-Match` (RFC 9110, section 13.1.1). Weak tags never match, so they are kept as they stand. */
export function parseIfMatch(header: string | undefined): IfMatch {
  if (header === undefined || header.trim() === '*') return undefined;
  return header.split(',').map((tag) => tag.trim());
}

/** The entity tag of a version. */
export function etagOf(version: number): string {
  return `"${version}"`;
}

/** Throws a 412 that names the present version unless the caller's `If-Match` allows it. */
export function requireMatch(ifMatch: IfMatch, version: number): void {
  if (ifMatch === undefined || ifMatch.includes(etagOf(version))) return;
  throw new Problem(
    'version_mismatch',
    `The resource is at version ${version} now; read it again and repeat the change.`,
  );
}

/** Checks an `Idempotency-Key`. @throws Problem `invalid` */
export function parseIdempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined || /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw invalid([{ field: 'Idempotency-Key', message: 'has 1 to 255 printable ASCII characters and no space' }]);
}
