import { type ListedGroup, type ModelList, pageAfter, pageSize } from '../model-list.ts';
import { GEMINI_METHODS } from './path.ts';

const USUAL = 50;
const MAX = 1_000;

/** Model groups as Google lists models (Gemini API reference, Models, read 2026-11), in pages. */
export const modelList: ModelList = {
  list(groups, query) {
    const after = query.get('pageToken');
    const { page, hasMore } = pageAfter(groups, after === '' ? null : after, pageSize(query, 'pageSize', USUAL, MAX));
    return { models: page.map(one), ...(hasMore ? { nextPageToken: page.at(-1)!.name } : {}) };
  },
  one,
};

/** What a group can do depends on the variant that answers: all is listed that may be asked. */
function one({ name }: ListedGroup): object {
  return {
    name: `models/${name}`,
    baseModelId: name,
    version: '1',
    displayName: name,
    supportedGenerationMethods: GEMINI_METHODS,
  };
}
