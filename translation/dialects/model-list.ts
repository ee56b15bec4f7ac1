import { RingsideError } from '#core/errors.ts';

/** A model group as it is listed among models. */
export interface ListedGroup {
  readonly name: string;
  readonly createdUnixS: number;
  readonly organization: string;
}

/** How a dialect lists what can be called. */
export interface ModelList {
  /** `groups` in order of their names; `query` says which page of them. */
  list(groups: readonly ListedGroup[], query: URLSearchParams): object;
  one(group: ListedGroup): object;
}

/** The first `size` groups behind the one called `after`, and whether there are more. */
export function pageAfter(
  groups: readonly ListedGroup[],
  after: string | null,
  size: number,
): { readonly page: readonly ListedGroup[]; readonly hasMore: boolean } {
  const rest = after === null ? groups : groups.filter(({ name }) => name > after);
  return { page: rest.slice(0, size), hasMore: rest.length > size };
}

/** A size of a page from a query; more than `max` is `max`. Throws `bad_request` for what is no positive number. */
export function pageSize(query: URLSearchParams, param: string, usual: number, max: number): number {
  const text = query.get(param);
  if (text === null || text === '') return usual;
  const size = Number(text);
  if (Number.isInteger(size) && size > 0) return Math.min(size, max);
  throw new RingsideError('bad_request', `"${param}" must be a positive number.`, { param });
}
