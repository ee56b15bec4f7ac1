import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import openWabt from 'wabt';

/** Turns core/body-scan/skip-string.wat into the module that is committed beside it: `npm run assemble`. */
const FOLDER = join(import.meta.dirname, '../../core/body-scan');
export const GENERATED = join(FOLDER, 'skip-string.generated.ts');

/** The text of the generated file. */
export async function assemble(): Promise<string> {
  const wabt = await openWabt();
  const parsed = wabt.parseWat('skip-string.wat', readFileSync(join(FOLDER, 'skip-string.wat'), 'utf8'), {
    simd: true,
  });
  try {
    parsed.validate();
    const { buffer } = parsed.toBinary({ write_debug_names: false });
    return [
      '// Made from skip-string.wat by `npm run assemble`; a unit test compares the two.',
      '// biome-ignore format: one line, whatever its length',
      `export const SKIP_STRING_WASM_BASE64 = '${Buffer.from(buffer).toString('base64')}';`,
      '',
    ].join('\n');
  } finally {
    parsed.destroy();
  }
}

if (process.argv[1] === import.meta.filename) writeFileSync(GENERATED, await assemble());
