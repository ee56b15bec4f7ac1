import { SEGMENT_FILES, type SegmentFiles } from '#inference-log/segments.ts';

/** Files of which writes are cut short or fail, as scripted; undefined lets one through. */
export function failingFiles(limits: readonly (number | undefined)[], files = SEGMENT_FILES): SegmentFiles {
  const left = [...limits];
  let full = false;
  return {
    ...files,
    writev(fd, buffers) {
      if (full) {
        full = false;
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      }
      const limit = left.shift();
      const bytes = Buffer.concat(buffers);
      if (limit === undefined || limit >= bytes.length) return files.writev(fd, [bytes]);
      full = true;
      return files.writev(fd, [bytes.subarray(0, Math.max(1, limit))]);
    },
  };
}

/** Files of a disk that has room as long as `takes` says so; the bytes of each write are asked for. */
export function roomFor(files: SegmentFiles, takes: (bytes: number) => boolean): SegmentFiles {
  const check = (bytes: number) => {
    if (!takes(bytes)) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
  return {
    ...files,
    writev(fd, buffers) {
      check(buffers.reduce((sum, { length }) => sum + length, 0));
      return files.writev(fd, buffers);
    },
    tryOut(path, bytes) {
      check(0);
      files.tryOut(path, bytes);
    },
  };
}
