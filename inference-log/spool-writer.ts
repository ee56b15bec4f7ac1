import { spoolFullFacts } from '#core/capture-facts.ts';
import { reasonOf } from '#core/reason.ts';
import type { OnAlarm } from './alarms.ts';
import { createDiskCommits } from './disk-commits.ts';
import type { FeedbackWriter } from './feedback-record.ts';
import { createFullSpool } from './full-spool.ts';
import { createSegments, SEGMENT_FILES, type SegmentFiles } from './segments.ts';
import type { SpoolWriter } from './spool.ts';
import { createSpoolFolder } from './spool-folder.ts';
import { createSpoolGate } from './spool-gate.ts';
import { createSpoolHold, type SpoolHold } from './spool-hold.ts';
import { createSpoolQueue } from './spool-queue.ts';
import { DEFAULT_TERMS, NO_ACCOUNTS, type SpoolAccounts, type SpoolTerms } from './spool-terms.ts';
import { startSyncThread } from './sync-thread.ts';
import type { Syncer } from './syncer.ts';

export interface SpoolWriterOptions {
  /** The folder of all spools of this machine. */
  readonly root: string;
  readonly gatewayId: string;
  /** A new segment is started past this (64 MB); at most a quarter of the bound. */
  readonly maxSegmentBytes?: number;
  /**
   * The bound: past it nothing new is accepted but metadata, up to an eighth more; what is under way may end, up to one
   * segment more.
   */
  readonly maxSpoolBytes: number;
  /** Calls its argument once, when all that ends in this turn of the event loop has ended (setImmediate). */
  readonly schedule?: (flush: () => void) => void;
  /** Calls its argument once, after a moment in which an end may come (a timer of 2 ms). */
  readonly scheduleLate?: (flush: () => void) => void;
  readonly nowMs: () => number;
  /** Gives UUIDs. */
  readonly randomId: () => string;
  readonly onAlarm: OnAlarm;
  /** How often a refusing spool looks whether it can go on (250). */
  readonly probeMs?: number;
  readonly files?: SegmentFiles;
  /** Starts what syncs, when the first record of `disk` mode has ended (a thread). */
  readonly openSyncer?: () => Syncer;
  /** Counts what becomes of inferences. */
  readonly accounts?: SpoolAccounts;
  /** Shared with the shipper of this spool, so that it does not store what may be taken back. */
  readonly hold?: SpoolHold;
}

const DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024;
const DEFAULT_PROBE_MS = 250;
/** What of the bound comes on top of it, for groups that then go on without bodies. */
const METADATA_SHARE = 1 / 8;
/** How long a begin or part frame waits for an end frame to travel with: half as many writes. */
const LATE_MS = 2;
/** Of feedback, whatever the groups want that it is about. It is in no account. */
const FEEDBACK_TERMS: SpoolTerms = { ...DEFAULT_TERMS, durability: 'process', whenSpoolFull: 'shed' };

/**
 * Opens a spool that the calling thread owns; spool.ts draws its states, spool-gate.ts keeps them. All frames of one
 * turn go in one write in the setImmediate behind the first end among them: 5 to 10 µs, where the asynchronous call costs 60.
 * @throws file errors when the folder cannot be made
 */
export async function createSpoolWriter(options: SpoolWriterOptions): Promise<SpoolWriter & FeedbackWriter> {
  const { spoolId, folder, release: letGo } = await createSpoolFolder(options);
  const { maxSpoolBytes, onAlarm, accounts = NO_ACCOUNTS, probeMs = DEFAULT_PROBE_MS } = options;
  const { files = SEGMENT_FILES, schedule = setImmediate, scheduleLate = waitLate } = options;
  const maxSegmentBytes = Math.min(options.maxSegmentBytes ?? DEFAULT_SEGMENT_BYTES, Math.ceil(maxSpoolBytes / 4));
  const segments = createSegments(folder, maxSegmentBytes, files, (fd, segment) => commits.retire(fd, segment));
  const gate = createSpoolGate({
    ...{ segments, maxSpoolBytes, reserveBytes: maxSegmentBytes, probeMs, onAlarm },
    metadataReserveBytes: maxSpoolBytes * METADATA_SHARE,
    onProbed: () => queue.payDrops(),
  });
  const queue = createSpoolQueue({
    ...{ segments, gate, accounts, schedule, scheduleLate, onAlarm },
    commits: () => commits,
  });
  const commits = createDiskCommits({
    ...{ folder, segments, probeMs, onAlarm, closeFile: files.close },
    hold: options.hold ?? createSpoolHold(),
    openSyncer: options.openSyncer ?? startSyncThread,
    flush: queue.flush,
    onSynced: (ends) => {
      for (const { release } of ends) if (release !== undefined) queue.release(release, true);
    },
    onLost: (ends, open) => {
      for (const { id, terms } of open) queue.lose('part', id, 'sync_failed', terms);
      for (const { terms, release, isTakenBack } of ends) {
        if (isTakenBack) accounts.unrecorded(terms.account);
        queue.loseWritten({ terms, release, reason: 'sync_failed', isDropped: isTakenBack });
      }
    },
  });
  const fullSpool = createFullSpool(gate, commits);
  /** Inferences under way that began without their bodies. */
  const bodiless = new Set<string>();

  return {
    spoolId,
    get accepting() {
      return gate.open;
    },
    accepts: fullSpool.accepts,
    // hot
    begin(id, record, request, terms = DEFAULT_TERMS) {
      const beginning = fullSpool.beginning(terms);
      if (beginning === 'whole') queue.append('begin', id, JSON.stringify(record), request, terms);
      else if (beginning === 'bodiless') {
        bodiless.add(id);
        accounts.withoutPayload(terms.account);
        const requestFacts = spoolFullFacts(record.requestFacts);
        queue.append('begin', id, JSON.stringify({ ...record, requestFacts }), null, terms);
      } else queue.lose('begin', id, beginning, terms);
    },
    // hot
    part(id, response, terms = DEFAULT_TERMS) {
      if (queue.isBroken(id) || (bodiless.size > 0 && bodiless.has(id))) return;
      if (gate.blocked) queue.lose('part', id, gate.lossReason, terms);
      else queue.append('part', id, '', [response], terms);
    },
    // hot
    end(id, record, response, release, terms = DEFAULT_TERMS) {
      const isBodiless = bodiless.size > 0 && bodiless.delete(id);
      if (queue.isBroken(id) || gate.blocked) return queue.lose('end', id, gate.lossReason, terms, release);
      const written = isBodiless ? { ...record, responseFacts: spoolFullFacts(record.responseFacts) } : record;
      const payload = isBodiless ? null : response;
      const isQueued = queue.append('end', id, JSON.stringify(written), payload, terms, release);
      if (isQueued && terms.durability === 'memory') queue.release(release, true);
    },
    feedback(id, report, release) {
      // What is under way may end in the reserve; a report is new.
      if (gate.open) queue.append('feedback', id, JSON.stringify(report), null, FEEDBACK_TERMS, release);
      else queue.lose('feedback', id, gate.lossReason, FEEDBACK_TERMS, release);
    },
    handOver() {
      if (!queue.isEmpty) queue.flush();
    },
    async close() {
      if (gate.closed) return;
      queue.flush();
      queue.payRest();
      gate.close();
      queue.loseRest(); // queued by a release of this very flush
      if (commits.isWaiting) await commits.settle();
      try {
        segments.close();
      } catch (error) {
        onAlarm('spool_write_failed', `closing the spool: ${reasonOf(error)}`);
      }
      await commits.close();
      await letGo().catch((error: unknown) => onAlarm('release_failed', reasonOf(error)));
    },
  };
}

function waitLate(flush: () => void): void {
  setTimeout(flush, LATE_MS);
}
