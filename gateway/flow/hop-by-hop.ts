const NO_NAMES: ReadonlySet<string> = new Set();

/** Headers that the caller's `Connection` names belong to its hop (RFC 9110, section 7.6.1). */
export function connectionNamed(connection: string | undefined): ReadonlySet<string> {
  if (connection === undefined || /^(keep-alive|close)$/i.test(connection)) return NO_NAMES;
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()));
}
