import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SpoolWriter } from '#inference-log/spool.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { createExchangeMaker, type ExchangeSource } from './exchanges.ts';

/** Spools that a gateway left behind, whole and without an owner. */
export interface Backlog {
  readonly root: string;
  readonly gatewayId: string;
  readonly spoolIds: readonly string[];
  readonly rows: number;
}

/** Inferences that are open at the same time, so that begin and end frames lie apart as under traffic. */
const OPEN = 64;

/** Writes a backlog with the gateway's own spool writer; one spool for each of `workers`. */
export async function writeBacklog(
  root: string,
  rows: number,
  workers: number,
  source: ExchangeSource,
): Promise<Backlog> {
  const gatewayId = randomUUID();
  const make = createExchangeMaker(source, Date.now);
  const spoolIds: string[] = [];
  for (let worker = 0; worker < workers; worker++) {
    const writer = await createSpoolWriter({
      ...{ root, gatewayId, maxSpoolBytes: 1e12, nowMs: Date.now, randomId: randomUUID },
      onAlarm: (code, message) => {
        throw new Error(`${code}: ${message}`);
      },
    });
    spoolIds.push(writer.spoolId);
    await writeRows(writer, Math.floor((rows * (worker + 1)) / workers) - Math.floor((rows * worker) / workers), make);
    await writer.close();
  }
  return { root, gatewayId, spoolIds, rows };
}

async function writeRows(writer: SpoolWriter, rows: number, make: ReturnType<typeof createExchangeMaker>) {
  for (let written = 0; written < rows; ) {
    const open = Array.from({ length: Math.min(OPEN, rows - written) }, (_, index) => make(written + index));
    for (const { id, begin, request } of open) writer.begin(id, begin, [request]);
    for (const { id, end, response } of open) {
      writer.end(id, end, [response], (recorded) => {
        if (!recorded) throw new Error('the backlog could not be written');
      });
    }
    written += open.length;
    await new Promise((flushed) => setImmediate(flushed));
  }
}

/** The same backlog in another folder, by hard links: a drain removes only its own names. */
export async function linkBacklog(backlog: Backlog, root: string): Promise<Backlog> {
  for (const spool of await readdir(backlog.root)) {
    await mkdir(join(root, spool), { recursive: true });
    for (const file of await readdir(join(backlog.root, spool))) {
      await link(join(backlog.root, spool, file), join(root, spool, file));
    }
  }
  return { ...backlog, root };
}
