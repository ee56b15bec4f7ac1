import type { StartedPeer } from '../../peers/peer.ts';
import type { Field } from '../row.ts';
import type { ClientResult } from './tally.ts';

/** What streams are opened against: the streamer itself (`direct`) or a gateway before it. */
export type StreamTarget = Pick<StartedPeer, 'url' | 'headers' | 'model' | 'settle'> & { readonly name: string };

/** Puts into the report what went wrong in a run, if anything did. */
export function noteFaults(field: Field, what: string, result: ClientResult): void {
  const { failed, lost, duplicated, opened, reasons } = result;
  if (failed + lost + duplicated === 0) return;
  const reason = reasons[0] === undefined ? '' : `, first: ${reasons[0].replaceAll(/\s+/g, ' ').slice(0, 160)}`;
  field.note(
    `P4 ${what}: of ${opened} streams ${failed} failed${reason}; ${lost} tokens lost, ${duplicated} came twice or out of order`,
  );
}

/** A figure for the table: null when no round could measure it. */
export function measured(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** The targets that are peers: neither the direct way nor ours. */
export function peersOf(targets: readonly StreamTarget[]): readonly StreamTarget[] {
  return targets.filter(({ name }) => name !== 'direct' && name !== 'ringside');
}
