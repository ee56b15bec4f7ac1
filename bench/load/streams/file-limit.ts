import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

/** A gateway has a descriptor on each side of a stream, and some of its own. */
const DESCRIPTORS_PER_STREAM = 2;
const OWN_DESCRIPTORS = 200;

/** How many streams a gateway that may open `maxFiles` descriptors can hold. */
export function streamsWithin(maxFiles: number): number {
  return Math.floor((maxFiles - OWN_DESCRIPTORS) / DESCRIPTORS_PER_STREAM);
}

/** The hard limit of open files out of the text of /proc/<pid>/limits. */
export function readFileLimit(limits: string): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}

/**
 * Raises the limit of open files of this process, which those that it starts inherit, to what `streams` need, and says how
 * many are possible then: raising takes a privilege that a container may not have. Node uses the hard limit by itself.
 */
export async function allowStreams(streams: number): Promise<number> {
  const limit = () => readFileLimit(readFileSync('/proc/self/limits', 'utf8'));
  if (streamsWithin(limit()) < streams) {
    const wanted = streams * DESCRIPTORS_PER_STREAM + OWN_DESCRIPTORS;
    await promisify(execFile)('prlimit', [`--pid=${process.pid}`, `--nofile=${wanted}:${wanted}`]).catch(
      () => undefined,
    );
  }
  return Math.min(streams, streamsWithin(limit()));
}
