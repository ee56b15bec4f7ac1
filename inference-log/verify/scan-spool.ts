import { parseBegin } from '../parse-record.ts';
import { type SpoolCursor, type SpoolPosition, UNKNOWN_GROUP } from '../spool.ts';
import { isBefore, type Segment } from '../spool-folder.ts';
import { createSpoolReader, type PlacedFrame } from '../spool-reader.ts';
import { type Finding, finding } from './report.ts';

/** An inference of which the store should have a row. */
export interface ShippedInference {
  readonly id: string;
  readonly groupId: string;
}

/** What lies in one spool. */
export interface SpoolContents {
  /** Ends behind the cursor, by group. */
  readonly waiting: ReadonlyMap<string, number>;
  /** The group of each begin without an end. */
  readonly open: ReadonlyMap<string, string>;
  readonly findings: readonly Finding[];
}

export interface ScanSpoolOptions {
  readonly folder: string;
  readonly spoolId: string;
  readonly gatewayId: string;
  readonly segments: readonly Segment[];
  /** As the store has it; undefined: it has not seen the spool. */
  readonly cursor: SpoolCursor | undefined;
  readonly chunkBytes?: number;
  /** Inferences that ended before the cursor and whose frames are still there. */
  readonly onShipped: (inference: ShippedInference) => Promise<void>;
  readonly onRead: (bytes: number) => void;
}

/**
 * Reads all frames that a spool has at this moment. It opens files for reading only, claims nothing, and stops where the
 * spool ended when it was listed, so that it neither disturbs nor chases a writer.
 */
export async function scanSpool(options: ScanSpoolOptions): Promise<SpoolContents> {
  const { folder, spoolId, gatewayId, segments, cursor } = options;
  const findings: Finding[] = [];
  const waiting = new Map<string, number>();
  const open = new Map<string, string>();
  const last = segments.at(-1);
  if (last === undefined) return { waiting, open, findings };
  const until: SpoolPosition = { segment: last.number, offset: last.bytes };
  const reader = createSpoolReader({
    folder,
    // Earlier than the store's scan: begins that lie before it tell the groups of ends behind it.
    from: { segment: segments[0]!.number, offset: 0 },
    ...(options.chunkBytes === undefined ? {} : { chunkBytes: options.chunkBytes }),
    onAlarm: (_, message) => findings.push(finding('spool_corrupt', message, { gatewayId, spoolId })),
  });

  const take = async (placed: PlacedFrame) => {
    const { frame } = placed;
    const { id, meta } = frame;
    switch (frame.type) {
      case 'begin':
        if (!open.has(id)) open.set(id, groupOf(meta));
        return;
      case 'part':
      case 'feedback': // begins and ends nothing, and is in no ledger
        return;
      case 'drop':
        open.delete(id);
        return;
      case 'end': {
        const groupId = open.get(id);
        open.delete(id);
        if (cursor === undefined || !isBefore(placed.at, cursor.shipped)) {
          const group = groupId ?? UNKNOWN_GROUP;
          waiting.set(group, (waiting.get(group) ?? 0) + 1);
        } else if (groupId !== undefined && groupId !== UNKNOWN_GROUP) {
          await options.onShipped({ id, groupId });
        }
        return;
      }
      default:
        frame.type satisfies never;
    }
  };

  try {
    for (;;) {
      const step = await reader.next(false);
      if (step.kind !== 'frames') return { waiting, open, findings };
      for (const placed of step.frames) {
        if (!isBefore(placed.at, until)) return { waiting, open, findings };
        await take(placed);
      }
      options.onRead(step.frames.at(-1)!.next.offset - step.frames[0]!.at.offset);
    }
  } finally {
    await reader.close();
  }
}

function groupOf(meta: Uint8Array): string {
  const begin = parseBegin(meta);
  return (begin.kind === 'parsed' ? begin.value.groupId : begin.groupId) ?? UNKNOWN_GROUP;
}

/** Compares the place that the store has with the files. `before` was listed before the store was asked, `after` since. */
export function checkCursor(
  place: { readonly spoolId: string; readonly gatewayId: string },
  cursor: SpoolCursor,
  before: readonly Segment[],
  after: readonly Segment[],
): readonly Finding[] {
  const findings: Finding[] = [];
  const { scan, shipped } = cursor;
  const isThere = (number: number) => [...before, ...after].some((segment) => segment.number === number);
  // A cursor at a segment's start may be ahead of the writer, and a spool that is wholly stored has no segment left.
  const isWanted = scan.offset > 0 && after.some(({ number }) => number > scan.segment);
  if (isWanted && !isThere(scan.segment)) {
    const detail = `segment ${scan.segment} is gone, and the store needs it from offset ${scan.offset} on`;
    findings.push(finding('segment_missing', detail, place));
  }
  const bytes = after.find(({ number }) => number === shipped.segment)?.bytes;
  if (bytes !== undefined && bytes < shipped.offset) {
    const detail = `the store has segment ${shipped.segment} up to offset ${shipped.offset}, the file ends at ${bytes}`;
    findings.push(finding('cursor_beyond_segment', detail, place));
  }
  return findings;
}
