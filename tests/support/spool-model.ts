import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FeedbackReport } from '#inference-log/feedback-record.ts';
import { decodeFrame } from '#inference-log/frame.ts';

/** What a spool folder holds, found the simple way: all frames in order, up to the first bad byte of each segment. */
export interface SpoolModel {
  /** Joined response of each ended inference; null when nothing was captured. */
  readonly ended: ReadonlyMap<string, string | null>;
  readonly open: ReadonlySet<string>;
  /** Ends without a begin. */
  readonly strays: number;
}

export function readSpoolModel(folder: string): SpoolModel {
  const ended = new Map<string, string | null>();
  const open = new Map<string, string | null>();
  let strays = 0;
  for (const name of segmentFiles(folder)) {
    const bytes = readFileSync(join(folder, name));
    for (let decoded = decodeFrame(bytes, 0); decoded.kind === 'frame'; decoded = decodeFrame(bytes, decoded.next)) {
      const { type, id, payload } = decoded.frame;
      const before = open.get(id);
      const text = payload === null ? null : Buffer.from(payload).toString('latin1');
      const joined = before == null ? text : before + (text ?? '');
      if (type === 'begin') open.set(id, null);
      else if (type === 'part' && before !== undefined) open.set(id, joined);
      else if (type === 'drop') open.delete(id);
      else if (type === 'end') {
        if (before === undefined) strays++;
        else ended.set(id, joined);
        open.delete(id);
      }
    }
  }
  return { ended, open: new Set(open.keys()), strays };
}

/** The calls of feedback whose frames are whole, in order. */
export function spooledReports(folder: string): readonly FeedbackReport[] {
  const reports: FeedbackReport[] = [];
  for (const name of segmentFiles(folder)) {
    const bytes = readFileSync(join(folder, name));
    for (let decoded = decodeFrame(bytes, 0); decoded.kind === 'frame'; decoded = decodeFrame(bytes, decoded.next)) {
      const { type, meta } = decoded.frame;
      if (type === 'feedback') reports.push(JSON.parse(Buffer.from(meta).toString('utf8')) as FeedbackReport);
    }
  }
  return reports;
}

/** The metas of an inference's frames, in order. */
export function metasOf(folder: string, id: string): object[] {
  const metas: object[] = [];
  for (const name of segmentFiles(folder)) {
    const bytes = readFileSync(join(folder, name));
    for (let decoded = decodeFrame(bytes, 0); decoded.kind === 'frame'; decoded = decodeFrame(bytes, decoded.next)) {
      const { frame } = decoded;
      if (frame.id === id && frame.meta.length > 0) metas.push(JSON.parse(Buffer.from(frame.meta).toString('utf8')));
    }
  }
  return metas;
}

/** The names of a spool's segments in order. */
export function segmentFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.seg'))
    .sort();
}
