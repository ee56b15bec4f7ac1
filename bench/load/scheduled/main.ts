import { readFile } from 'node:fs/promises';
import { generate, type ScheduledJob } from './generator.ts';

/** `main.ts <job.json>`: sends on schedule and prints the result as one line of JSON. */
const job = JSON.parse(await readFile(process.argv[2]!, 'utf8')) as ScheduledJob;
process.stdout.write(`${JSON.stringify(await generate(job))}\n`);
