import type { TokenSources } from '#gateway/upstream/token-source.ts';

/** For flows whose providers need no access tokens. */
export const NO_TOKENS: TokenSources = {
  take: () => {
    throw new Error('no provider of this test needs a token');
  },
  rejected: () => undefined,
};
