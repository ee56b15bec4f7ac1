import type { TokenLogprob } from '#translation/chat/reply.ts';
import { isRecord } from '#translation/wires/exact-json.ts';

/** A candidate's `logprobsResult`; empty where there is none. */
export function readLogprobs(result: unknown): TokenLogprob[] {
  if (!isRecord(result) || !Array.isArray(result['chosenCandidates'])) return [];
  const tops = Array.isArray(result['topCandidates']) ? result['topCandidates'] : [];
  return result['chosenCandidates'].flatMap((chosen: unknown, index) => {
    const token = readToken(chosen);
    if (token === null) return [];
    const top: unknown = tops[index];
    const others = isRecord(top) && Array.isArray(top['candidates']) ? top['candidates'] : [];
    return [{ ...token, top: others.flatMap((other) => readToken(other) ?? []) }];
  });
}

function readToken(value: unknown): Omit<TokenLogprob, 'top'> | null {
  if (!isRecord(value) || typeof value['token'] !== 'string') return null;
  const logprob = value['logProbability'];
  return { token: value['token'], logprob: typeof logprob === 'number' ? logprob : 0, bytes: null };
}
