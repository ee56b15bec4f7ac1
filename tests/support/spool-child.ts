// Writes inferences without end until it is killed; prints the id of each that was acknowledged. argv: root, gateway id.
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { beginRecord, endRecord, newInferenceId } from './records.ts';

const [root, gatewayId] = process.argv.slice(2);
if (root === undefined || gatewayId === undefined) throw new Error('usage: spool-child <root> <gateway id>');
const writer = await createSpoolWriter({
  ...{ root, gatewayId, maxSegmentBytes: 64 * 1024, maxSpoolBytes: 1_000_000_000 },
  ...{ nowMs: Date.now, randomId: randomUUID },
  onAlarm: (code, message) => process.stderr.write(`${code}: ${message}\n`),
});
writeSync(1, `spool ${writer.spoolId}\n`);

function turn(): void {
  for (let i = 0; i < 5; i++) {
    const id = newInferenceId();
    writer.begin(id, beginRecord(), [Buffer.from(`request ${id}`)]);
    if (i === 4) writer.part(id, Buffer.from('a part, '));
    // Every fifth is still open a few turns later, when the kill may come.
    const end = () =>
      writer.end(id, endRecord(), [Buffer.from(`response ${id}`)], (recorded) => {
        if (recorded) writeSync(1, `${id}\n`);
      });
    if (i === 4) setTimeout(end, 20);
    else end();
  }
  setImmediate(turn);
}
turn();
