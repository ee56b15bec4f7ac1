import type { SpoolWriter } from '#inference-log/spool.ts';

/** A spool that takes everything, keeps nothing and releases every answer at once: the gateway without its log. */
export function createDroppingSpool(): SpoolWriter {
  return {
    spoolId: 'dropped',
    accepting: true,
    accepts: () => true,
    begin: () => undefined,
    part: () => undefined,
    handOver: () => undefined,
    end: (_id, _record, _response, release) => release(true),
    close: async () => undefined,
  };
}
