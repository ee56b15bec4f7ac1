import type { Setting, Settings } from './request.ts';

/** What servers do anyway. Clients send it without being asked (`n: 1`, `frequency_penalty: 0`). */
const USUAL: Readonly<Partial<Settings>> = {
  frequencyPenalty: 0,
  presencePenalty: 0,
  logprobs: false,
  topLogprobs: 0,
  candidates: 1,
  parallelToolCalls: true,
};

/** Whether a setting asks for nothing: a provider that has no such setting does the same, and has nothing to refuse. */
export function saysNothing(setting: Setting, value: Settings[Setting]): boolean {
  return value === null || value === USUAL[setting];
}
