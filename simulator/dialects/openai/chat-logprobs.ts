import { hashText } from '../../random.ts';

/** Log probabilities of one token: made up, the same for the same token. */
export function logprobOf(token: string, top: number): object {
  const logprob = -(hashText(token) % 1_000) / 1_000;
  const others = Array.from({ length: Math.max(0, top - 1) }, (_, index) =>
    describe(`${token}${index}`, logprob - 1 - index),
  );
  return { ...describe(token, logprob), top_logprobs: top === 0 ? [] : [describe(token, logprob), ...others] };
}

function describe(token: string, logprob: number) {
  return { token, logprob, bytes: [...Buffer.from(token)] };
}
