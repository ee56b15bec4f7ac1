import type { KeyPlaces } from './ingress.ts';

/** `Authorization` as it is: OpenAI's clients, and most others. */
export function bearer({ headers }: KeyPlaces): string | undefined {
  return one(headers['authorization']);
}

/** A header that holds nothing but the key (`x-api-key`, `x-goog-api-key`), else `Authorization`. */
export function keyHeader(name: string): (places: KeyPlaces) => string | undefined {
  return (places) => {
    const key = one(places.headers[name]);
    return key === undefined ? bearer(places) : `Bearer ${key}`;
  };
}

function one(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}
