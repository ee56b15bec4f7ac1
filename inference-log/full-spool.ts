import type { SpoolGate } from './spool-gate.ts';
import type { LossReason, SpoolTerms } from './spool-terms.ts';

/** Whether the spool takes what belongs to inferences on these terms, and where not, what becomes of them. */
export interface FullSpool {
  /** Whether one may begin at all; asked before anything is dispatched. */
  accepts(terms: SpoolTerms): boolean;
  /** How one begins: with its bodies, without them, or without a record, for the reason given. */
  beginning(terms: SpoolTerms): 'whole' | 'bodiless' | LossReason;
}

/**
 * The policies of a full spool:
 *
 *     shed             refused in the room `admit`
 *     serve-unlogged   served, and counted as dropped
 *     metadata-only    recorded without bodies while the gate has a reserve for that, then refused
 *
 * A spool whose syncs fail is full for groups of `disk` mode, and has no reserve.
 * @param syncs whether syncs succeed
 */
export function createFullSpool(gate: SpoolGate, syncs: { readonly healthy: boolean }): FullSpool {
  const isUnsyncable = (terms: SpoolTerms) => terms.durability === 'disk' && !syncs.healthy;
  return {
    // hot
    accepts(terms) {
      if (gate.open && !isUnsyncable(terms)) return true;
      if (gate.closed) return false;
      switch (terms.whenSpoolFull) {
        case 'shed':
          return false;
        case 'serve-unlogged':
          return true;
        case 'metadata-only':
          return gate.takesMetadata && !isUnsyncable(terms);
        default:
          return terms.whenSpoolFull satisfies never;
      }
    },
    // hot
    beginning(terms) {
      if (gate.open && !isUnsyncable(terms)) return 'whole';
      if (gate.closed) return gate.lossReason;
      switch (terms.whenSpoolFull) {
        case 'shed':
          // It was admitted a moment ago, as one of those that the gate still lets end.
          return gate.blocked ? gate.lossReason : 'whole';
        case 'serve-unlogged':
          return 'unlogged';
        case 'metadata-only':
          if (gate.open) return 'whole';
          return gate.takesMetadata ? 'bodiless' : gate.lossReason;
        default:
          return terms.whenSpoolFull satisfies never;
      }
    },
  };
}
