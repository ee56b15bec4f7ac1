/** Finds a value in parsed JSON; undefined where there is none. */
export type Lookup = (value: unknown) => unknown;

/** Compiles a JSON Pointer (RFC 6901). Only own properties and elements are found. */
export function compilePointer(pointer: string): Lookup {
  const keys = pointer === '' ? [] : pointer.slice(1).split('/').map(decodeKey);
  return (value) => {
    let found = value;
    for (const key of keys) {
      if (Array.isArray(found)) found = /^(?:0|[1-9]\d*)$/.test(key) ? found[Number(key)] : undefined;
      else if (typeof found === 'object' && found !== null && Object.hasOwn(found, key)) {
        found = (found as Record<string, unknown>)[key];
      } else return undefined;
    }
    return found;
  };
}

/** The same for a pointer that need not be there: then nothing is ever found. */
export function compileOptional(pointer: string | undefined): Lookup {
  return pointer === undefined ? () => undefined : compilePointer(pointer);
}

/** In this order: `~01` is `~1` and not a slash. */
function decodeKey(key: string): string {
  return key.replaceAll('~1', '/').replaceAll('~0', '~');
}
