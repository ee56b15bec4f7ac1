import { reasonOf } from '#core/reason.ts';
import type { OnAlarm } from './alarms.ts';
import type { Segments } from './segments.ts';
import type { LossReason } from './spool-terms.ts';

/**
 * Whether a spool takes records. At its `bound` it still takes the metadata of groups that want that, from a reserve, and
 * behind it what belongs to accepted inferences, up to a segment more; `write_failed` takes nothing.
 *
 *   open ──refuse()──▶ refusing(bound | write_failed) ──a probe succeeds──▶ open
 *     └───────close()───────▶ closed ◀──────close()──────┘
 */
type State =
  | { readonly kind: 'open' }
  | {
      readonly kind: 'refusing';
      readonly why: 'bound' | 'write_failed';
      readonly timer: NodeJS.Timeout;
      /** The reserve has been used up, which has been alarmed. */
      isReserveUsed: boolean;
    }
  | { readonly kind: 'closed' };

export interface SpoolGate {
  readonly open: boolean;
  /** Inferences may still begin without their bodies. */
  readonly takesMetadata: boolean;
  /** Nothing at all may be appended. */
  readonly blocked: boolean;
  readonly closed: boolean;
  /** Why what is refused at this moment is lost. */
  readonly lossReason: LossReason;
  /** Starts refusing if the spool has reached its bound. */
  checkBound(): void;
  writeFailed(reason: string): void;
  close(): void;
}

/** A spool at its bound goes on when a tenth of it is free, so that it does not flap. */
const REOPEN_BELOW = 0.9;

export function createSpoolGate(options: {
  readonly segments: Segments;
  readonly maxSpoolBytes: number;
  /** Beyond the bound, for inferences without their bodies. */
  readonly metadataReserveBytes: number;
  /** Beyond both, for what is under way. */
  readonly reserveBytes: number;
  readonly probeMs: number;
  readonly onAlarm: OnAlarm;
  /** After each probe: the spool may be writable again, or have a little room. */
  readonly onProbed: () => void;
}): SpoolGate {
  const { segments, maxSpoolBytes, onAlarm } = options;
  const maxWithMetadata = maxSpoolBytes + options.metadataReserveBytes;
  let state: State = { kind: 'open' };

  const become = (next: State) => {
    if (state.kind === 'refusing') clearTimeout(state.timer);
    state = next;
  };

  const refuse = (why: 'bound' | 'write_failed', message: string) => {
    if (state.kind === 'closed') return;
    const before = state.kind === 'refusing' && state.why === why ? state : undefined;
    const isReserveUsed = before?.isReserveUsed === true && segments.totalBytes >= maxWithMetadata;
    become({ kind: 'refusing', why, timer: setTimeout(probe, options.probeMs).unref(), isReserveUsed });
    if (before === undefined) onAlarm(why === 'bound' ? 'spool_full' : 'spool_write_failed', message);
  };

  const refuseAtBound = () =>
    refuse('bound', `the spool holds ${segments.totalBytes} bytes, its bound is ${maxSpoolBytes}`);

  const probe = () => {
    const failure = attempt(() => {
      segments.probe();
      segments.recount();
    });
    if (failure !== undefined) {
      refuse('write_failed', `the spool cannot be written: ${failure}`);
      attempt(() => segments.freeBallast());
    } else if (segments.totalBytes >= maxSpoolBytes * REOPEN_BELOW) refuseAtBound();
    else {
      become({ kind: 'open' });
      onAlarm('spool_recovered', 'the spool takes records again');
    }
    options.onProbed();
  };

  const checkReserve = (refusing: Extract<State, { kind: 'refusing' }>) => {
    if (refusing.why !== 'bound' || refusing.isReserveUsed || segments.totalBytes < maxWithMetadata) return;
    attempt(() => segments.recount());
    if (segments.totalBytes < maxWithMetadata) return;
    refusing.isReserveUsed = true;
    onAlarm('spool_reserve_full', 'the reserve behind the bound is used up: records without bodies are refused, too');
  };

  return {
    get open() {
      return state.kind === 'open';
    },
    get closed() {
      return state.kind === 'closed';
    },
    get takesMetadata() {
      if (state.kind === 'open') return true;
      return state.kind === 'refusing' && state.why === 'bound' && segments.totalBytes < maxWithMetadata;
    },
    get blocked() {
      if (state.kind === 'open') return false;
      if (state.kind === 'closed' || state.why === 'write_failed') return true;
      return segments.totalBytes >= maxWithMetadata + options.reserveBytes;
    },
    get lossReason() {
      if (state.kind === 'closed') return 'closed';
      return state.kind === 'refusing' && state.why === 'bound' ? 'spool_full' : 'write_failed';
    },
    // hot
    checkBound() {
      if (segments.totalBytes < maxSpoolBytes || state.kind === 'closed') return;
      if (state.kind === 'refusing') return checkReserve(state);
      attempt(() => segments.recount());
      if (segments.totalBytes < maxSpoolBytes) return;
      refuseAtBound();
      attempt(() => segments.rotate()); // the shipper removes only what is before the current segment
    },
    writeFailed: (reason) => refuse('write_failed', `the spool cannot be written: ${reason}`),
    close: () => become({ kind: 'closed' }),
  };
}

/** The reason why it failed; the spool refuses then, and the next probe tries again. */
function attempt(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}
