/** What a gateway says of one of its groups: its own side of the ledger. */
export interface ReportedLedger {
  /** Inferences that were dispatched and must be recorded. */
  readonly accepted: number;
  /** Of them, those whose end is in a spool. */
  readonly recorded: number;
  /** Those that ended and never reached a spool, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** What the store has counted of the same group, since the gateway's first record. */
export interface HeldLedger {
  /** Rows that ended and are in the tables now. */
  readonly stored: number;
  /** Those that never ended, also when their rows have been removed since. */
  readonly interrupted: number;
  readonly deadLetters: number;
  /** Rows that ended and have left the tables. */
  readonly archived: number;
  readonly expired: number;
}

/**
 * `live`: it reports, and was heard of a moment ago. `stopped`: it said goodbye, with its last report. `vanished`: neither;
 * its last report may be older than what it has recorded since.
 */
export type GatewayState = 'live' | 'stopped' | 'vanished';

/**
 * `balanced`: both equations hold and nothing is under way. `open`: what is missing may still come. `gap`: it will not.
 * `unreported`: the gateway does not report its side.
 */
export type Balance = 'balanced' | 'open' | 'gap' | 'unreported';

/** `accepted = recorded + inFlight + interrupted`, `recorded = stored + spooled + archived + expired + Σ dropped`. */
export interface Ledger {
  readonly accepted: number;
  readonly recorded: number;
  readonly inFlight: number;
  readonly interrupted: number;
  readonly stored: number;
  readonly spooled: number;
  readonly archived: number;
  readonly expired: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly balance: Balance;
  /** With a gap: how many inferences the store lacks. Negative: how many it has more than the gateway accepted. */
  readonly missing: number;
}

const DEAD_LETTER = 'dead_letter';

/**
 * Puts both sides together. What only one of them can know is the other's difference: in flight and spooled.
 * @param settled the gateway writes no more, and the store holds all of its spools to their end
 */
export function balanceLedger(
  reported: ReportedLedger | null,
  held: HeldLedger,
  state: GatewayState,
  settled: boolean,
): Ledger {
  const lost = reported === null ? 0 : sumOf(reported.dropped);
  const shipped = held.stored + held.archived + held.expired + held.deadLetters;
  // A report is a moment old, and a worker that died may have left an end uncounted: what is shipped was recorded.
  const recorded = Math.max(reported?.recorded ?? 0, shipped);
  const least = recorded + lost + held.interrupted;
  const isFinal = state === 'stopped' && reported !== null;
  const accepted = isFinal ? reported.accepted : Math.max(reported?.accepted ?? 0, least);
  const spooled = recorded - shipped;
  const inFlight = Math.max(0, accepted - least);
  const underWay = spooled + inFlight;
  const missing = least > accepted ? accepted - least : settled ? underWay : 0;
  return {
    ...{ accepted, recorded: recorded + lost, inFlight, interrupted: held.interrupted },
    ...{ stored: held.stored, spooled, archived: held.archived, expired: held.expired },
    dropped: withDeadLetters(reported?.dropped ?? {}, held.deadLetters),
    balance: missing !== 0 ? 'gap' : reported === null ? 'unreported' : underWay > 0 ? 'open' : 'balanced',
    missing,
  };
}

function withDeadLetters(dropped: Readonly<Record<string, number>>, deadLetters: number): Record<string, number> {
  return deadLetters === 0 ? { ...dropped } : { ...dropped, [DEAD_LETTER]: deadLetters };
}

/** Of the counts by reason. */
export function sumOf(dropped: Readonly<Record<string, number>>): number {
  return Object.values(dropped).reduce((sum, count) => sum + count, 0);
}

/** A gateway that was not heard of for this long is not live. */
export const LIVE_WITHIN_MS = 10_000;

/** How a gateway process is, by its last report; null: it never reported. */
export function ledgerStateOf(
  gateway: { readonly stoppedAt: Date | null; readonly silentMs: number } | null,
): GatewayState {
  if (gateway === null) return 'vanished';
  if (gateway.stoppedAt !== null) return 'stopped';
  return gateway.silentMs <= LIVE_WITHIN_MS ? 'live' : 'vanished';
}
