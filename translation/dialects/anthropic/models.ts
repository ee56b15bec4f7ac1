import { type ListedGroup, type ModelList, pageAfter, pageSize } from '../model-list.ts';

const USUAL = 20;
const MAX = 1_000;

/** Model groups as Anthropic lists models (API reference, "List Models", read 2026-11): in pages, forwards and backwards. */
export const modelList: ModelList = {
  list(groups, query) {
    const size = pageSize(query, 'limit', USUAL, MAX);
    const { page, hasMore } = pageOf(groups, query.get('after_id'), query.get('before_id'), size);
    return {
      data: page.map(one),
      has_more: hasMore,
      first_id: page[0]?.name ?? null,
      last_id: page.at(-1)?.name ?? null,
    };
  },
  one,
};

function pageOf(groups: readonly ListedGroup[], after: string | null, before: string | null, size: number) {
  if (before === null) return pageAfter(groups, after, size);
  const rest = groups.filter(({ name }) => name < before);
  return { page: rest.slice(-size), hasMore: rest.length > size };
}

/** What a group can do depends on the variant that answers: it is not said. */
function one({ name, createdUnixS }: ListedGroup): object {
  return {
    type: 'model',
    id: name,
    display_name: name,
    created_at: new Date(createdUnixS * 1000).toISOString(),
    capabilities: null,
    max_input_tokens: null,
    max_tokens: null,
  };
}
