import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { DEFAULT_TERMS, type SpoolTerms } from '#inference-log/spool-terms.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { createLoopDisk } from '../support/loop-disk.ts';
import { createMemorySink } from '../support/memory-sink.ts';
import { beginRecord, endRecord, newInferenceId } from '../support/records.ts';
import { type Shipping, ship } from '../support/spool-shipping.ts';
import { waitFor } from '../support/wait.ts';

const DISK: SpoolTerms = { ...DEFAULT_TERMS, durability: 'disk' };
const CUTS = 6;
const HOW: Shipping = {
  batchRows: 100,
  batchBytes: 1e6,
  chunkBytes: 65_536,
  maxKeptFrameBytes: 100_000,
  maxKeptBytes: 1_000_000,
};

const disk = createLoopDisk(64);
afterAll(() => disk?.close());

describe.skipIf(disk === undefined)('power cut of a real ext4, with the real thread that syncs', () => {
  test('every inference acknowledged in disk mode is there after the journal was replayed, exactly once', async () => {
    const gatewayId = randomUUID();
    const root = join(disk!.path, 'data', 'spool');
    mkdirSync(root, { recursive: true });
    const alarms: string[] = [];
    const writer = await createSpoolWriter({
      ...{ root, gatewayId, maxSegmentBytes: 40_000, maxSpoolBytes: 30e6, nowMs: Date.now, randomId: randomUUID },
      onAlarm: (code) => void alarms.push(code),
    });
    const acknowledged = { disk: new Set<string>(), process: new Set<string>() };
    let running = true;
    // While the image of a cut is read nothing is written: it takes long enough to fill the disk.
    let gate = Promise.withResolvers<void>();
    gate.resolve();
    const load = async (terms: SpoolTerms, told: Set<string>) => {
      while (running) {
        await gate.promise;
        const id = newInferenceId();
        writer.begin(id, beginRecord(), [Buffer.alloc(500, 'q')], terms);
        await pause(1);
        writer.part(id, Buffer.alloc(300, 'p'), terms);
        const mayEnd = await new Promise<boolean>((done) => writer.end(id, endRecord(), null, done, terms));
        if (mayEnd) told.add(id);
      }
    };
    const loads = [DISK, DISK, DISK, DISK, DEFAULT_TERMS, DEFAULT_TERMS].map((terms) =>
      load(terms, terms === DISK ? acknowledged.disk : acknowledged.process),
    );
    const seen = { acknowledged: 0, lost: 0, duplicates: 0, forgottenOfProcessMode: 0 };
    await waitFor('the first sync', () => acknowledged.disk.size > 0);
    try {
      for (let cut = 0; cut < CUTS; cut++) {
        await pause(50 + cut * 37);
        const promised = new Set(acknowledged.disk);
        const others = new Set(acknowledged.process);
        const left = disk!.cut();
        gate = Promise.withResolvers();
        const sink = createMemorySink();
        try {
          const whatIsLeft = join(left.path, 'data', 'spool');
          // Without its folder nothing of it is stored, which the count below says.
          if (existsSync(join(whatIsLeft, writer.spoolId))) {
            await ship({ root: whatIsLeft, spoolId: writer.spoolId, gatewayId, sink, how: HOW });
          }
        } finally {
          left.close();
          gate.resolve();
        }
        const stored = new Set(
          [...sink.rows.values()].filter(({ end }) => end.outcome === 'completed').map(({ id }) => id),
        );
        seen.acknowledged += promised.size;
        seen.lost += promised.difference(stored).size;
        seen.duplicates += sink.written.length - new Set(sink.written).size;
        seen.forgottenOfProcessMode += others.difference(stored).size;
      }
    } finally {
      running = false;
      await Promise.all(loads);
      await writer.close();
    }
    process.stdout.write(`power loss on ext4: ${JSON.stringify({ cuts: CUTS, ...seen })}\n`);
    expect(seen).toMatchObject({ lost: 0, duplicates: 0 });
    expect(seen.acknowledged).toBeGreaterThan(50);
    // The image does forget: what only the system had is not all there.
    expect(seen.forgottenOfProcessMode).toBeGreaterThan(0);
    expect(alarms).toEqual([]);
  }, 120_000);
});
