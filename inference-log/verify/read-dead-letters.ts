import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DEAD_LETTER_FOLDER, type DeadLetter } from '../dead-letters.ts';
import { isMissing } from '../spool-folder.ts';

/** What a dead letter says of itself, without its frames. */
export type DeadLetterHead = Omit<DeadLetter, 'frames'>;

/** The dead letters of a spool root, each id once. A line that a crash cut is passed over. */
export async function readDeadLetters(root: string): Promise<ReadonlyMap<string, DeadLetterHead>> {
  const letters = new Map<string, DeadLetterHead>();
  const folder = join(root, DEAD_LETTER_FOLDER);
  for (const name of await namesIn(folder)) {
    if (!name.endsWith('.jsonl')) continue;
    for await (const line of createInterface({ input: createReadStream(join(folder, name)) })) {
      const letter = parseLetter(line);
      if (letter !== undefined) letters.set(letter.id, letter);
    }
  }
  return letters;
}

function parseLetter(line: string): DeadLetterHead | undefined {
  try {
    const { id, spoolId, gatewayId, groupId, reason } = JSON.parse(line) as DeadLetter;
    return { id, spoolId, gatewayId, groupId, reason };
  } catch {
    return undefined;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
