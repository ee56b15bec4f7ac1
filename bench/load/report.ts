import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderCurves } from './curve-chart.ts';
import { insertSection, nameOf, type Report, renderSection } from './results-page.ts';

const FOLDER = join(import.meta.dirname, '..');

/** Puts the table into RESULTS.md and writes figures and picture beside it. @returns the path of the JSON */
export async function writeReport(report: Report): Promise<string> {
  const base = join(FOLDER, 'results', nameOf(report));
  await mkdir(join(FOLDER, 'results'), { recursive: true });
  await writeFile(`${base}.json`, `${JSON.stringify(report, null, 2)}\n`);
  if (report.curves.length > 0) await writeFile(`${base}.svg`, renderCurves(report));
  await addSection(renderSection(report));
  return `${base}.json`;
}

/** Puts a section above the others of RESULTS.md. */
export async function addSection(section: string): Promise<void> {
  const page = join(FOLDER, 'RESULTS.md');
  const older = await readFile(page, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  await writeFile(page, insertSection(older, section));
}
