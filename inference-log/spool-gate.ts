import type { OnAlarm } from './alarms.ts';
import type { Segments } from './segments.ts';

/**
 * Whether a spool takes records. `bound` still takes what belongs to accepted inferences, up to a segment more;
 * `write_failed` takes nothing.
 *
 *   open ──refuse()──▶ refusing(bound | write_failed) ──a probe succeeds──▶ open
 *     └───────close()───────▶ closed ◀──────close()──────┘
 */
type State =
  | { readonly kind: 'open' }
  | { readonly kind: 'refusing'; readonly why: 'bound' | 'write_failed'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'closed' };

export interface SpoolGate {
  readonly open: boolean;
  /** Nothing at all may be appended. */
  readonly blocked: boolean;
  readonly closed: boolean;
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
  /** Beyond the bound, for what is under way. */
  readonly reserveBytes: number;
  readonly probeMs: number;
  readonly onAlarm: OnAlarm;
  /** After each probe: the spool may be writable again. */
  readonly onProbed: () => void;
}): SpoolGate {
  const { segments, maxSpoolBytes, onAlarm } = options;
  let state: State = { kind: 'open' };

  const become = (next: State) => {
    if (state.kind === 'refusing') clearTimeout(state.timer);
    state = next;
  };

  const refusing = (why: 'bound' | 'write_failed'): State => ({
    kind: 'refusing',
    why,
    timer: setTimeout(probe, options.probeMs).unref(),
  });

  const refuse = (why: 'bound' | 'write_failed', message: string) => {
    if (state.kind === 'closed') return;
    const alarmed = state.kind === 'refusing' && state.why === why;
    become(refusing(why));
    if (!alarmed) onAlarm(why === 'bound' ? 'spool_full' : 'spool_write_failed', message);
  };

  const probe = () => {
    const healthy = attempt(() => {
      segments.probe();
      segments.recount();
    });
    if (!healthy) become(refusing('write_failed'));
    else if (segments.totalBytes >= maxSpoolBytes * REOPEN_BELOW) become(refusing('bound'));
    else {
      become({ kind: 'open' });
      onAlarm('spool_recovered', 'the spool takes records again');
    }
    options.onProbed();
  };

  return {
    get open() {
      return state.kind === 'open';
    },
    get closed() {
      return state.kind === 'closed';
    },
    get blocked() {
      if (state.kind === 'open') return false;
      if (state.kind === 'closed' || state.why === 'write_failed') return true;
      return segments.totalBytes >= maxSpoolBytes + options.reserveBytes;
    },
    checkBound() {
      if (state.kind !== 'open' || segments.totalBytes < maxSpoolBytes) return;
      attempt(() => segments.recount());
      if (segments.totalBytes < maxSpoolBytes) return;
      refuse('bound', `the spool holds ${segments.totalBytes} bytes, its bound is ${maxSpoolBytes}`);
      attempt(() => segments.rotate()); // the shipper removes only what is before the current segment
    },
    writeFailed: (reason) => refuse('write_failed', `the spool cannot be written: ${reason}`),
    close: () => become({ kind: 'closed' }),
  };
}

function attempt(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false; // the spool refuses, and the next probe tries again
  }
}
