import { readFacts } from '#core/capture-facts.ts';
import type { CapturedInference } from '#store/captured-inferences.ts';

/** What the log lacks of an inference: all of it, or the bodies that its row says were kept. Null: nothing. */
export type Lack = 'row' | 'bodies' | null;

const DAY_MS = 86_400_000;
/** How long the log may lack something: a gateway may bring its inferences late. */
const LONGEST_WAIT_MS = DAY_MS;

/** Bodies come before rows, but another replica may have the rows alone for a while. */
export function lackOf(captured: CapturedInference | undefined): Lack {
  if (captured === undefined) return 'row';
  if (captured.payload !== undefined) return null;
  const { capture_facts: facts, request_bytes: request, response_bytes: response } = captured.row;
  const wasKept = (side: 'request' | 'response', bytes: number) => bytes > 0 && readFacts(facts, side)?.kind === 'kept';
  return wasKept('request', request) || wasKept('response', response) ? 'bodies' : null;
}

/** Whether what lacks is waited for no longer. One that was itself brought after a day gets a second look. */
export function isGivenUp({
  waitedMs,
  wasSought,
}: {
  readonly waitedMs: number;
  readonly wasSought: boolean;
}): boolean {
  return waitedMs > LONGEST_WAIT_MS && wasSought;
}
