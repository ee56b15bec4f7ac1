import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { z } from 'zod';
import { reasonOf } from '#core/reason.ts';
import type { Refusal } from '#core/statistics/result.ts';
import { UsageError } from '../usage-error.ts';

/** JSON from an argument: the text itself, `@file`, or `-` for the standard input. @throws UsageError */
export async function readJson(option: string, argument: string): Promise<unknown> {
  const source = argument === '-' ? await text(process.stdin) : await fileOrText(option, argument);
  try {
    return JSON.parse(source);
  } catch (error) {
    throw new UsageError(`${option} is not JSON: ${oneLine(reasonOf(error))}`);
  }
}

async function fileOrText(option: string, argument: string): Promise<string> {
  if (!argument.startsWith('@')) return argument;
  try {
    return await readFile(argument.slice(1), 'utf8');
  } catch (error) {
    throw new UsageError(`${option} names a file that cannot be read: ${oneLine(reasonOf(error))}`);
  }
}

/**
 * @param fieldsAt the fields that an object at a path may have; what is told to those who spelled one otherwise
 * @throws UsageError that names the first field that is wrong, says what is there and what belongs there
 */
export function parseInput<T>(
  schema: z.ZodType<T>,
  input: unknown,
  fieldsAt: (path: readonly PropertyKey[]) => readonly string[],
): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  // What is missing says more than what is too much, and names both.
  const issue = issues.find(({ code }) => code !== 'unrecognized_keys') ?? issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const field = nameOf([...issue.path, issue.keys[0]!]);
    throw new UsageError(`${field}: is not a known field; known are ${fieldsAt(issue.path).join(', ')}`);
  }
  throw new UsageError(
    `${nameOf(issue.path)}: ${reasonFor(issue, valueAt(input, issue.path))}${strayBeside(issue, issues)}`,
  );
}

type Issue = z.core.$ZodIssue;

function nameOf(path: readonly PropertyKey[]): string {
  return path.length === 0 ? 'the input' : path.map(String).join('.');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], input);
}

function reasonFor(issue: Issue, value: unknown): string {
  if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY) return 'is beyond what numbers hold';
  return `${value === undefined ? 'is missing' : `is ${shown(value)}`}; it is ${wanted(issue)}`;
}

const LONGEST_SHOWN = 60;

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

function wanted(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] ?? `of the type ${issue.expected}`;
    case 'too_small':
      return `at least ${issue.minimum}`;
    case 'too_big':
      return `at most ${issue.maximum}`;
    case 'invalid_value':
      return oneOf(issue.values);
    case 'invalid_union':
      return oneOf('options' in issue && Array.isArray(issue.options) ? issue.options : []);
    default:
      return `otherwise: ${oneLine(issue.message)}`;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  ...{ number: 'a number', int: 'a whole number', boolean: 'true or false', object: 'an object' },
};

function oneOf(values: readonly unknown[]): string {
  return `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`;
}

/** Fields that nobody knows, beside one that is missing: it was probably meant. */
function strayBeside(issue: Issue, issues: readonly Issue[]): string {
  const parent = nameOf(issue.path.slice(0, -1));
  const stray = issues.flatMap((one) =>
    one.code === 'unrecognized_keys' && nameOf(one.path) === parent ? one.keys : [],
  );
  return stray.length === 0 ? '' : ` (${JSON.stringify(stray[0])} is not a known field)`;
}

/** What may be given once: that the last one stands is nothing to guess. @throws UsageError */
export function onlyOne(option: string, given: readonly string[] | undefined): string | undefined {
  if (given !== undefined && given.length > 1) {
    throw new UsageError(`${option} is given ${given.length} times; it is given once`);
  }
  return given?.[0];
}

/** A refusal of the statistics as an error of the command. */
export function throwRefused({ field, reason }: Refusal): never {
  throw new UsageError(`${field} ${reason}`);
}

/** What a library says, in one line. */
export function oneLine(message: string): string {
  return message.replaceAll(/\s+/g, ' ');
}
