import { reasonOf } from '#core/reason.ts';
import type { OnAlarm } from './alarms.ts';
import { type FrameType, MAX_FRAME_BYTES } from './frame.ts';
import { FrameBatch } from './frame-batch.ts';
import { createLosses, type Release } from './losses.ts';
import { createSegments, SEGMENT_FILES, type SegmentFiles } from './segments.ts';
import type { SpoolWriter } from './spool.ts';
import { createSpoolFolder } from './spool-folder.ts';
import { createSpoolGate } from './spool-gate.ts';

export interface SpoolWriterOptions {
  /** The folder of all spools of this machine. */
  readonly root: string;
  readonly gatewayId: string;
  /** A new segment is started past this (64 MB); at most a quarter of the bound. */
  readonly maxSegmentBytes?: number;
  /** The bound: past it nothing new is accepted; what is under way may end, up to one segment more. */
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
}

interface QueuedFrame {
  readonly type: FrameType;
  readonly id: string;
  /** Where it ends within the batch. */
  readonly endsAt: number;
  readonly release: Release | undefined;
}

const DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024;
const DEFAULT_PROBE_MS = 250;

/** How long a begin or part frame waits for an end frame to travel with: half as many writes. */
const LATE_MS = 2;

/**
 * Opens a spool that the calling thread owns; spool.ts draws its states, spool-gate.ts keeps them. All frames of one
 * turn go in one write in the setImmediate behind the first end among them: 5 to 10 µs, where the asynchronous call costs 60.
 * @throws file errors when the folder cannot be made
 */
export async function createSpoolWriter(options: SpoolWriterOptions): Promise<SpoolWriter> {
  const { spoolId, folder, release: letGo } = await createSpoolFolder(options);
  const {
    maxSpoolBytes,
    onAlarm,
    schedule = setImmediate,
    scheduleLate = waitLate,
    probeMs = DEFAULT_PROBE_MS,
  } = options;
  const maxSegmentBytes = Math.min(options.maxSegmentBytes ?? DEFAULT_SEGMENT_BYTES, Math.ceil(maxSpoolBytes / 4));
  const segments = createSegments(folder, maxSegmentBytes, options.files ?? SEGMENT_FILES);
  const losses = createLosses();
  const queued = new FrameBatch();
  let frames: QueuedFrame[] = [];
  let scheduled = false;
  let scheduledLate = false;

  const wake = () => {
    if (scheduled) return;
    scheduled = true;
    schedule(flush);
  };

  const wakeLate = () => {
    if (scheduled || scheduledLate) return;
    scheduledLate = true;
    scheduleLate(flushLate);
  };

  const flushLate = () => {
    scheduledLate = false;
    flush();
  };

  const gate = createSpoolGate({
    ...{ segments, maxSpoolBytes, reserveBytes: maxSegmentBytes, probeMs, onAlarm },
    onProbed: () => {
      if (losses.owesDrops) wake();
    },
  });

  // hot
  const queue = (
    type: FrameType,
    id: string,
    meta: string,
    payload: readonly Uint8Array[] | null,
    release?: Release,
  ) => {
    const bytes = queued.append(type, id, meta, payload);
    if (bytes === 0) {
      onAlarm('frame_too_large', `${type} frame of ${id} exceeds ${MAX_FRAME_BYTES} bytes`);
      lose(type, id, release);
      return;
    }
    frames.push({ type, id, endsAt: queued.bytes, release });
    if (type === 'end' || type === 'drop') wake();
    else wakeLate();
  };

  const lose = (type: FrameType, id: string, release: Release | undefined) => {
    losses.lose(type, id, release);
    wake();
  };

  const flush = () => {
    scheduled = false;
    if (losses.owesDrops && !gate.blocked) for (const id of losses.takeOwed()) queue('drop', id, '', null);
    if (frames.length > 0) {
      const batch = frames;
      frames = [];
      const { writtenBytes, error } = segments.append(queued.buffers());
      queued.clear();
      if (error === undefined) releaseAll(batch);
      else keepWhole(batch, writtenBytes, error);
    }
    for (const release of losses.takeRefused()) call(release, false);
    gate.checkBound();
  };

  // hot. `process` mode: the write is enough. A mode that syncs would hand the batch on here.
  const releaseAll = (batch: readonly QueuedFrame[]) => {
    for (const frame of batch) if (frame.release !== undefined) call(frame.release, true);
  };

  const keepWhole = (batch: readonly QueuedFrame[], writtenBytes: number, error: unknown) => {
    const whole = batch.filter((frame) => frame.endsAt <= writtenBytes);
    segments.cut(whole.at(-1)?.endsAt ?? 0);
    gate.writeFailed(reasonOf(error));
    releaseAll(whole);
    for (const frame of batch.slice(whole.length)) lose(frame.type, frame.id, frame.release);
  };

  const call = (release: Release, recorded: boolean) => {
    try {
      release(recorded);
    } catch (error) {
      onAlarm('release_failed', reasonOf(error)); // the others of the batch must not wait for ever
    }
  };

  return {
    spoolId,
    get accepting() {
      return gate.open;
    },
    // hot
    begin(id, record, request, accepted) {
      if (gate.blocked) lose('begin', id, accepted);
      else queue('begin', id, JSON.stringify(record), request, accepted);
    },
    // hot
    part(id, response) {
      if (losses.isBroken(id)) return;
      if (gate.blocked) lose('part', id, undefined);
      else queue('part', id, '', [response]);
    },
    // hot
    end(id, record, response, release) {
      if (losses.isBroken(id) || gate.blocked) lose('end', id, release);
      else queue('end', id, JSON.stringify(record), response, release);
    },
    handOver() {
      if (frames.length > 0) flush();
    },
    async close() {
      if (gate.closed) return;
      flush();
      gate.close();
      for (const late of frames.splice(0)) lose(late.type, late.id, late.release); // queued by a release of this very flush
      try {
        segments.close();
      } catch (error) {
        onAlarm('spool_write_failed', `closing the spool: ${reasonOf(error)}`);
      }
      await letGo().catch((error: unknown) => onAlarm('release_failed', reasonOf(error)));
    },
  };
}

function waitLate(flush: () => void): void {
  setTimeout(flush, LATE_MS);
}
