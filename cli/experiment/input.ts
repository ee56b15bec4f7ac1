import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { z } from 'zod';
import { reasonOf } from '#core/reason.ts';
import type { Refusal } from '#core/statistics/result.ts';

/** What was typed cannot be worked with. The message is one line that names the field; the command ends with 2. */
export class InputError extends Error {
  override name = 'InputError';
}

/** JSON from an argument: the text itself, `@file`, or `-` for the standard input. @throws InputError */
export async function readJson(option: string, argument: string): Promise<unknown> {
  const source = argument === '-' ? await text(process.stdin) : await fileOrText(option, argument);
  try {
    return JSON.parse(source);
  } catch (error) {
    throw new InputError(`${option} is not JSON: ${oneLine(reasonOf(error))}`);
  }
}

async function fileOrText(option: string, argument: string): Promise<string> {
  if (!argument.startsWith('@')) return argument;
  try {
    return await readFile(argument.slice(1), 'utf8');
  } catch (error) {
    throw new InputError(`${option} names a file that cannot be read: ${oneLine(reasonOf(error))}`);
  }
}

/** @throws InputError that names the first field that is wrong */
export function parseInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const field = [...issue.path, ...unknown].map(String).join('.');
  const reason = unknown.length === 0 ? issue.message : 'is not a known field';
  throw new InputError(`${field === '' ? 'the input' : field}: ${oneLine(reason)}`);
}

/** A refusal of the statistics as an error of the command. */
export function throwRefused({ field, reason }: Refusal): never {
  throw new InputError(`${field} ${reason}`);
}

function oneLine(message: string): string {
  return message.replaceAll(/\s+/g, ' ');
}
