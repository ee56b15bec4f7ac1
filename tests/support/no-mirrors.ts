import type { Mirrors } from '#gateway/flow/ports.ts';

/** For flows whose groups have no shadows. */
export const NO_MIRRORS: Mirrors = {
  draw: () => {
    throw new Error('no group of this test has a shadow');
  },
  follow: () => {
    throw new Error('nothing was drawn');
  },
};
