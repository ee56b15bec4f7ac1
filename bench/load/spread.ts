import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What takes its turn in the requests of one wrk run. */
export interface Spread {
  /** Stands in the header or in the body where the values go. */
  readonly placeholder: string;
  readonly lua: readonly string[];
}

/**
 * Requests that differ in one place: the values take turns, one a request. All have one length, so that only the
 * place changes and not the length of the body.
 * @param file where the values are written, for the script to read
 */
export async function spreadRequests(folder: string, file: string, values: readonly string[]): Promise<Spread> {
  const [first] = values;
  if (first === undefined || values.some((value) => value.length !== first.length || value.includes('\n'))) {
    throw new TypeError('the values must have one length, and no line break');
  }
  const path = join(folder, file);
  await writeFile(path, `${values.join('\n')}\n`);
  const placeholder = '~'.repeat(first.length);
  return {
    placeholder,
    lua: [
      'local values = {}',
      `for line in io.lines(${JSON.stringify(path)}) do values[#values + 1] = line end`,
      'local at, before, after = 0, nil, nil',
      'request = function()',
      '  if before == nil then',
      '    local whole = wrk.format()',
      `    local from, to = whole:find(${JSON.stringify(placeholder)}, 1, true)`,
      '    before, after = whole:sub(1, from - 1), whole:sub(to + 1)',
      '  end',
      '  at = at % #values + 1',
      '  return before .. values[at] .. after',
      'end',
    ],
  };
}
