import { type OnAlarm, reasonOf } from './alarms.ts';
import { appendFrame, type FrameType, MAX_FRAME_BYTES } from './frame.ts';
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

/**
 * Opens a spool that the calling thread owns; spool.ts draws its states, spool-gate.ts keeps them. All frames of one
 * turn go in one writev in the setImmediate behind them: 10 µs for 2.5 KB, where the asynchronous call costs 60.
 * @throws file errors when the folder cannot be made
 */
export async function createSpoolWriter(options: SpoolWriterOptions): Promise<SpoolWriter> {
  const { spoolId, folder, release: letGo } = await createSpoolFolder(options);
  const { maxSpoolBytes, onAlarm, schedule = setImmediate, probeMs = DEFAULT_PROBE_MS } = options;
  const maxSegmentBytes = Math.min(options.maxSegmentBytes ?? DEFAULT_SEGMENT_BYTES, Math.ceil(maxSpoolBytes / 4));
  const segments = createSegments(folder, maxSegmentBytes, options.files ?? SEGMENT_FILES);
  const losses = createLosses();
  let buffers: Uint8Array[] = [];
  let frames: QueuedFrame[] = [];
  let queuedBytes = 0;
  let scheduled = false;

  const wake = () => {
    if (scheduled) return;
    scheduled = true;
    schedule(flush);
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
    const bytes = appendFrame(buffers, type, id, meta, payload);
    if (bytes === 0) {
      onAlarm('frame_too_large', `${type} frame of ${id} exceeds ${MAX_FRAME_BYTES} bytes`);
      lose(type, id, release);
      return;
    }
    queuedBytes += bytes;
    frames.push({ type, id, endsAt: queuedBytes, release });
    wake();
  };

  const lose = (type: FrameType, id: string, release: Release | undefined) => {
    losses.lose(type, id, release);
    wake();
  };

  const take = () => {
    const taken = [frames, buffers] as const;
    frames = [];
    buffers = [];
    queuedBytes = 0;
    return taken;
  };

  const flush = () => {
    scheduled = false;
    if (losses.owesDrops && !gate.blocked) for (const id of losses.takeOwed()) queue('drop', id, '', null);
    const [batch, bytes] = take();
    if (batch.length > 0) {
      const { writtenBytes, error } = segments.append(bytes);
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
    begin(id, record, request) {
      if (gate.blocked) lose('begin', id, undefined);
      else queue('begin', id, JSON.stringify(record), request);
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
    async close() {
      if (gate.closed) return;
      flush();
      gate.close();
      for (const late of take()[0]) lose(late.type, late.id, late.release); // queued by a release of this very flush
      try {
        segments.close();
      } catch (error) {
        onAlarm('spool_write_failed', `closing the spool: ${reasonOf(error)}`);
      }
      await letGo().catch((error: unknown) => onAlarm('release_failed', reasonOf(error)));
    },
  };
}
