import type { z } from '@hono/zod-openapi';
import { type Issue, refuseIssues } from '../problem.ts';
import { issueMessage } from './issue-message.ts';

/** Deeper than any configuration (a template of a custom provider has 32 levels by itself); what is nested further would overflow the stack of whoever walks it. */
const MAX_DEPTH = 40;

/**
 * Parses a value with a schema. `name` is what the value as a whole is called in fields ("variants" gives
 * `variants[1].weightBp`); empty for an object whose own fields are named.
 * @throws Problem `invalid` that names every field at fault
 */
export function validate<Schema extends z.ZodType>(schema: Schema, value: unknown, name: string): z.output<Schema> {
  refuseIssues(unstorable(value, name, MAX_DEPTH));
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.flatMap((issue) => describe(issue, name));
  // One sentence a field is enough: an empty name is both too short and no name.
  refuseIssues(issues.filter(({ field }, index) => issues.findIndex((issue) => issue.field === field) === index));
  throw parsed.error;
}

function describe(issue: z.core.$ZodIssue, name: string): Issue[] {
  const field = fieldOf(issue.path, name);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ field: joined(field, key), message: 'is no known field' }));
  }
  return [{ field: field === '' ? 'body' : field, message: issueMessage(issue) }];
}

function fieldOf(path: readonly PropertyKey[], name: string): string {
  return path.reduce<string>(
    (field, part) => (typeof part === 'number' ? `${field}[${part}]` : joined(field, String(part))),
    name,
  );
}

function joined(field: string, part: string): string {
  return field === '' ? part : `${field}.${part}`;
}

/** Finds text that PostgreSQL cannot hold (NUL, half a surrogate pair) and nesting that nobody means. */
function unstorable(value: unknown, field: string, depthLeft: number): Issue[] {
  const named = field === '' ? 'body' : field;
  if (typeof value === 'string') return isStorable(value) ? [] : [{ field: named, message: TEXT_MESSAGE }];
  if (typeof value !== 'object' || value === null) return [];
  if (depthLeft === 0) return [{ field: named, message: `is nested deeper than ${MAX_DEPTH} levels` }];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => unstorable(item, `${field}[${index}]`, depthLeft - 1));
  }
  return Object.entries(value).flatMap(([key, item]) =>
    isStorable(key) ? unstorable(item, joined(field, key), depthLeft - 1) : [{ field: named, message: TEXT_MESSAGE }],
  );
}

const TEXT_MESSAGE = 'holds a NUL character or half a surrogate pair, which cannot be stored';

function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}
