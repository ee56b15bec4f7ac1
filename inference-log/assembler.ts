import type { Frame } from './frame.ts';
import type { SpoolCursor, SpoolPosition } from './spool.ts';
import { isBefore } from './spool-folder.ts';
import type { PlacedFrame } from './spool-reader.ts';

/** A frame that its inference waits for: in memory when it is small, else to be read again when the end has come. */
export interface KeptFrame {
  readonly at: SpoolPosition;
  readonly bytes: number;
  readonly frame: Frame | undefined;
}

/** What segments hold that is still needed, though every end in them is stored. */
export interface Pinned {
  /** Begin and part frames of open inferences, inference by inference. */
  readonly frames: readonly KeptFrame[];
  /** Inferences that began before the last of the segments and ended in it. */
  readonly closed: readonly string[];
}

/** An inference whose begin has been read and whose end has not. */
export interface OpenInference {
  readonly id: string;
  readonly begin: KeptFrame;
  readonly parts: readonly KeptFrame[];
}

export type Assembled =
  | { readonly kind: 'ended'; readonly inference: OpenInference; readonly end: PlacedFrame }
  /** Its begin frame was in a part of the spool that could not be read. */
  | { readonly kind: 'end_without_begin'; readonly end: PlacedFrame }
  /** Of no inference: whole in its one frame. */
  | { readonly kind: 'feedback'; readonly report: PlacedFrame };

/**
 * Puts inferences together from the frames of one spool, in order. Pure.
 *
 * Reading starts at the cursor's `scan`. End frames before `shipped` close their inference and yield nothing: their rows
 * are stored. So whatever the moment of a crash, each end yields exactly one row. So does each frame of feedback.
 */
export interface Assembler {
  /** Keeps views of the frame's bytes until `settle`. */
  feed(placed: PlacedFrame): Assembled | undefined;
  /** The chunk that frames were fed from is read: what is still open gets copies of its bytes, so that the chunk can go. */
  settle(): void;
  /** The cursor once everything before `position` is stored: scan stays at the oldest begin that is still open. */
  cursorAt(position: SpoolPosition): SpoolCursor;
  /** What is needed of this segment, which has been fed whole, and of those before it. */
  pinned(segment: number): Pinned;
  /** Frames have moved. */
  move(moves: readonly { readonly kept: KeptFrame; readonly at: SpoolPosition }[]): void;
  /** What is open, oldest first. */
  open(): readonly OpenInference[];
}

interface Kept extends KeptFrame {
  at: SpoolPosition;
  frame: Frame | undefined;
}

interface Building extends OpenInference {
  readonly begin: Kept;
  readonly parts: Kept[];
}

export interface AssemblerOptions {
  readonly cursor: SpoolCursor | undefined;
  /** Frames up to this size wait in memory … */
  readonly maxKeptFrameBytes: number;
  /** … as long as they are no more than this altogether. */
  readonly maxKeptBytes: number;
}

export function createAssembler(options: AssemblerOptions): Assembler {
  const { maxKeptFrameBytes, maxKeptBytes } = options;
  const shipped = options.cursor?.shipped;
  /** In order of their begin frames, as a Map keeps it. */
  const building = new Map<string, Building>();
  /** Frames kept since the last `settle`. Most inferences end in the chunk that they begin in: copying all cost as much as parsing their JSON. */
  let unsettled: { readonly id: string; readonly kept: Kept }[] = [];
  let keptBytes = 0;
  /** What ended in a later segment than it began in, by that segment; of segments that may still be compacted. */
  const crossed = new Map<number, string[]>();

  const keep = (placed: PlacedFrame): Kept => {
    const bytes = placed.next.offset - placed.at.offset;
    const held = bytes <= maxKeptFrameBytes && keptBytes + bytes <= maxKeptBytes;
    if (held) keptBytes += bytes;
    const kept: Kept = { at: placed.at, bytes, frame: held ? placed.frame : undefined };
    if (held) unsettled.push({ id: placed.frame.id, kept });
    return kept;
  };

  const close = (id: string): Building | undefined => {
    const inference = building.get(id);
    if (inference === undefined) return undefined;
    building.delete(id);
    for (const kept of [inference.begin, ...inference.parts]) if (kept.frame !== undefined) keptBytes -= kept.bytes;
    return inference;
  };

  const closeAt = ({ frame, at }: PlacedFrame): Building | undefined => {
    const inference = close(frame.id);
    if (inference !== undefined && inference.begin.at.segment < at.segment) {
      const ids = crossed.get(at.segment);
      if (ids === undefined) crossed.set(at.segment, [frame.id]);
      else ids.push(frame.id);
    }
    return inference;
  };

  return {
    feed(placed) {
      const { frame } = placed;
      switch (frame.type) {
        case 'begin':
          // An id begins once. A second begin is a copy that compact.ts has made, and its parts follow it.
          close(frame.id);
          building.set(frame.id, { id: frame.id, begin: keep(placed), parts: [] });
          return undefined;
        case 'part':
          building.get(frame.id)?.parts.push(keep(placed));
          return undefined;
        case 'drop':
          closeAt(placed);
          return undefined;
        case 'end': {
          const inference = closeAt(placed);
          if (shipped !== undefined && isBefore(placed.at, shipped)) return undefined;
          return inference === undefined
            ? { kind: 'end_without_begin', end: placed }
            : { kind: 'ended', inference, end: placed };
        }
        case 'feedback':
          if (shipped !== undefined && isBefore(placed.at, shipped)) return undefined;
          return { kind: 'feedback', report: placed };
        default:
          return frame.type satisfies never;
      }
    },
    settle() {
      for (const { id, kept } of unsettled) if (building.has(id)) kept.frame = copy(kept.frame!);
      unsettled = [];
    },
    cursorAt(position) {
      const oldest = building.values().next().value;
      // Reading again from `scan`, we may still be before what is shipped already.
      const reached = shipped !== undefined && isBefore(position, shipped) ? shipped : position;
      const scan = oldest?.begin.at ?? position;
      for (const segment of crossed.keys()) if (segment < scan.segment) crossed.delete(segment);
      return { scan, shipped: reached };
    },
    pinned(segment) {
      const frames: KeptFrame[] = [];
      for (const { begin, parts } of building.values()) {
        // In order of their begins.
        if (begin.at.segment > segment) break;
        frames.push(begin, ...parts.filter(({ at }) => at.segment <= segment));
      }
      return { frames, closed: crossed.get(segment) ?? [] };
    },
    move(moves) {
      for (const { kept, at } of moves) (kept as Kept).at = at;
    },
    open: () => [...building.values()],
  };
}

/** A view would keep the whole chunk in memory that the frame was read with. */
function copy(frame: Frame): Frame {
  return {
    ...frame,
    meta: new Uint8Array(frame.meta),
    payload: frame.payload === null ? null : new Uint8Array(frame.payload),
  };
}
