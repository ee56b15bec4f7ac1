import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { reasonOf } from '#core/reason.ts';
import type { OnAlarm } from './alarms.ts';
import { createBackOff } from './back-off.ts';
import { type AdaptiveBatchSize, createBatchSize } from './batch-size.ts';
import { findOrphans } from './orphans.ts';
import { createPace } from './pace.ts';
import { type Shipped, shipSpool } from './ship-spool.ts';
import { type LedgerTotals, type Sink, type SpoolCursor, StaleCursorError, UNKNOWN_GROUP } from './spool.ts';
import { bytesBehind, listSegments, type OwnedFolder, readSpoolGateway, removeSpoolFolder } from './spool-folder.ts';
import { readHold, type SpoolHold } from './spool-hold.ts';
import { repeat, within } from './timing.ts';
import { createWakeSignal } from './wake-signal.ts';

export interface ShipperOptions {
  readonly root: string;
  readonly sink: Sink;
  /** Whose ledger is reported. */
  readonly gatewayId: string;
  /** Where the size of a batch starts; it then follows the time that commits take. */
  readonly batchRows: number;
  readonly batchBytes: number;
  readonly maxBatchAgeMs: number;
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  /** How busy the serving threads are, 0 to 1: shipping gives way to them (pace.ts). Default: not at all. */
  readonly busiest?: () => number;
  /** A backlog of so many bytes is not made larger by that. */
  readonly calmBytes?: number;
  /** In [0, 1). */
  readonly random: () => number;
  /** The gateway's totals as the store has them, at most once in `reportMs` and at least once a minute. */
  readonly onLedger: (totals: readonly LedgerTotals[]) => void;
  readonly onBacklog: (backlog: { readonly bytes: number; readonly spools: number }) => void;
  readonly onAlarm: OnAlarm;
  /** Reports of feedback went to the dead letters. */
  readonly onFeedbackLost?: (count: number) => void;
  readonly pollMs?: number;
  readonly scanMs?: number;
  readonly reportMs?: number;
  /** How much is read at once. */
  readonly chunkBytes?: number;
  /** Frames of open inferences up to this size wait in memory, the others are read again (128 KB). */
  readonly maxKeptFrameBytes?: number;
  /** Bound of that memory per spool (64 MB). */
  readonly maxKeptBytes?: number;
}

/** Moves every spool of a machine into the store. */
export interface Shipper {
  /** A spool of this process has been opened. `hold`: shared with its writer. */
  addSpool(spoolId: string, hold?: SpoolHold): void;
  /** With `drain`, stores all there is first, as far as the store answers within the deadline. */
  stop(options: { readonly drain: boolean; readonly deadlineMs: number }): Promise<{ readonly drained: boolean }>;
}

/** A spool under way; `ownership` once its writer is gone and we have adopted it. */
interface Lane {
  readonly spoolId: string;
  readonly batchSize: AdaptiveBatchSize;
  readonly hold: SpoolHold | undefined;
  ownership: OwnedFolder | undefined;
  stored: SpoolCursor | undefined;
}

const MAX_ADOPTED_AT_ONCE = 4;
/** Rows are archived and expire without us. */
const MAX_LEDGER_AGE_MS = 60_000;

/** Starts shipping. The cursor in the store is the truth: a crash between any two steps is harmless. */
export async function createShipper(options: ShipperOptions): Promise<Shipper> {
  const { sink, onAlarm, pollMs = 50, scanMs = 3_000, reportMs = 1_000 } = options;
  const root = resolve(options.root);
  await mkdir(root, { recursive: true, mode: 0o700 });
  const signal = createWakeSignal();
  const patience = createWakeSignal();
  const pace = createPace({
    monotonicMs: options.monotonicMs,
    busiest: options.busiest ?? (() => 0),
    calmBytes: options.calmBytes ?? 0,
    sleep: patience.sleep,
  });
  const lanes = new Map<string, Lane>();
  const running = new Map<Lane, Promise<void>>();
  const stalled = new Set<Lane>();
  let stopping: 'no' | 'drained' | 'now' = 'no';
  let ledgerMoved = true;
  let ledgerReadAtMs = 0;
  let scanFailed = false;
  let scanning: Promise<void> | undefined;
  /** A gateway that dies again and again leaves many orphans: the next few are adopted as soon as there is room for them. */
  let leftForLater = false;
  let backlogBytes = 0;

  const start = (spoolId: string, ownership: OwnedFolder | undefined, hold?: SpoolHold) => {
    const lane: Lane = { spoolId, hold, ownership, stored: undefined, batchSize: createBatchSize(options) };
    lanes.set(spoolId, lane);
    running.set(lane, run(lane));
  };

  const run = async (lane: Lane) => {
    const backOff = createBackOff(100, 5_000, options.random);
    while (stopping !== 'now') {
      try {
        const shipped = await ship(lane, () => {
          backOff.reset();
          recovered(lane);
        });
        if (shipped === 'finished') await removeSpoolFolder(root, lane.spoolId);
        break;
      } catch (error) {
        // Another shipper moved the cursor: read it again, without an alarm.
        if (!(error instanceof StaleCursorError)) stall(lane, reasonOf(error));
        await patience.sleep(backOff.next());
      }
    }
    recovered(lane);
    lanes.delete(lane.spoolId);
    running.delete(lane);
    await lane.ownership?.release();
    if (leftForLater && stopping === 'no') void scan();
  };

  const ship = async (lane: Lane, onHealthy: () => void): Promise<Shipped> => {
    const { spoolId } = lane;
    const folder = join(root, spoolId);
    if ((await listSegments(folder)) === undefined) return 'gone';
    const gatewayId = await readSpoolGateway(folder);
    if (gatewayId === undefined) onAlarm('spool_corrupt', `${folder} does not say which gateway wrote it`);
    return shipSpool({
      maxKeptFrameBytes: 128 * 1024,
      maxKeptBytes: 64 * 1024 * 1024,
      ...options,
      ...{ root, spoolId, pollMs, signal, onHealthy, batchSize: lane.batchSize },
      gatewayId: gatewayId ?? UNKNOWN_GROUP,
      rest: (workedMs) => pace.rest(workedMs, backlogBytes),
      sealed: () => lane.ownership !== undefined,
      holdAt: lane.hold === undefined ? undefined : () => readHold(lane.hold!),
      stopping: () => stopping,
      onCursor: (stored) => {
        lane.stored = stored;
        ledgerMoved = true;
      },
    });
  };

  const stall = (lane: Lane, reason: string) => {
    if (stalled.size === 0) onAlarm('shipping_stalled', reason);
    stalled.add(lane);
  };

  const recovered = (lane: Lane) => {
    if (stalled.delete(lane) && stalled.size === 0) onAlarm('shipping_resumed', 'the store takes records again');
  };

  const canAdopt = () =>
    [...lanes.values()].filter(({ ownership }) => ownership !== undefined).length < MAX_ADOPTED_AT_ONCE;

  const isWanted = (spoolId: string) => {
    const lane = lanes.get(spoolId);
    if (lane !== undefined) return lane.ownership === undefined;
    leftForLater ||= !canAdopt();
    return canAdopt();
  };

  const adopt = (spoolId: string, ownership: OwnedFolder) => {
    const lane = lanes.get(spoolId);
    if (lane === undefined) start(spoolId, ownership);
    else lane.ownership = ownership;
    signal.wake();
  };

  /** One at a time; who asks during a scan gets that one. */
  const scan = (): Promise<void> => {
    scanning ??= lookForOrphans().finally(() => {
      scanning = undefined;
    });
    return scanning;
  };

  const lookForOrphans = async () => {
    try {
      do {
        leftForLater = false;
        await findOrphans(root, isWanted, adopt);
      } while (leftForLater && canAdopt() && stopping === 'no');
      scanFailed = false;
    } catch (error) {
      if (!scanFailed) onAlarm('scan_failed', reasonOf(error));
      scanFailed = true;
    }
  };

  const report = async () => {
    const spools = [...lanes.values()];
    try {
      const behind = await Promise.all(
        spools.map(({ spoolId, stored }) => bytesBehind(join(root, spoolId), stored?.shipped)),
      );
      backlogBytes = behind.reduce((sum, bytes) => sum + bytes, 0);
      options.onBacklog({ bytes: backlogBytes, spools: spools.length });
      const nowMs = options.monotonicMs();
      if (!ledgerMoved && nowMs - ledgerReadAtMs < MAX_LEDGER_AGE_MS) return;
      ledgerMoved = false;
      ledgerReadAtMs = nowMs;
      options.onLedger(await sink.readLedger(options.gatewayId));
    } catch {
      ledgerMoved = true; // an outage, which the lanes alarm; the next report tells
    }
  };

  const stopScans = repeat(scan, scanMs);
  const stopReports = repeat(report, reportMs);
  return {
    addSpool(spoolId, hold) {
      if (!lanes.has(spoolId)) start(spoolId, undefined, hold);
    },
    async stop({ drain, deadlineMs }) {
      await stopScans();
      await scanning;
      if (drain) await scan(); // spools whose writers have just closed
      stopping = drain ? 'drained' : 'now';
      const wakeAll = () => {
        signal.wake();
        patience.wake();
      };
      wakeAll();
      let drained = false;
      const finish = async () => {
        await Promise.all(running.values());
        drained = drain;
        await stopReports();
        await report();
      };
      await within(deadlineMs, finish());
      stopping = 'now';
      wakeAll();
      void stopReports();
      return { drained };
    },
  };
}
