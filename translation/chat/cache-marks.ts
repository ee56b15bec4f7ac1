import type { Refusals } from './refusals.ts';
import type { ChatRequest } from './request.ts';

/** For providers that cache by themselves: marks change nothing about the answer, and the answer says that they were left out. */
export function leaveOutCacheMarks({ system, messages, tools }: ChatRequest, refusals: Refusals): void {
  const note = ({ at, cache }: { readonly at: string; readonly cache: unknown }) => {
    if (cache !== null) refusals.leftOut(`${at}.cache_control`);
  };
  for (const part of system) note(part);
  for (const tool of tools) note(tool);
  for (const { parts } of messages) for (const part of parts) note(part);
}
