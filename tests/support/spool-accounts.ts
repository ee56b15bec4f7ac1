import { LOSS_REASONS, type LossReason, type SpoolAccounts } from '#inference-log/spool-terms.ts';

/** The gateway's side of the ledger, all groups together. */
export interface CountedAccounts extends SpoolAccounts {
  readonly counts: { accepted: number; written: number; withoutPayload: number };
  readonly losses: Record<LossReason, number>;
  /** Of all reasons. */
  lost(): number;
  inFlight(): number;
}

export function countAccounts(): CountedAccounts {
  const counts = { accepted: 0, written: 0, withoutPayload: 0 };
  const losses = Object.fromEntries(LOSS_REASONS.map((reason) => [reason, 0])) as Record<LossReason, number>;
  const lost = () => Object.values(losses).reduce((sum, count) => sum + count, 0);
  return {
    ...{ counts, losses, lost },
    inFlight: () => counts.accepted - counts.written - lost(),
    accepted: () => void counts.accepted++,
    recorded: () => void counts.written++,
    unrecorded: () => void counts.written--,
    dropped: (_account, reason) => void losses[reason]++,
    withoutPayload: () => void counts.withoutPayload++,
  };
}
