import { z } from '@hono/zod-openapi';
import { expect, test } from 'vitest';
import { validate } from '#control-plane/http/validate.ts';
import type { Problem } from '#control-plane/problem.ts';

const schema = z.strictObject({
  at: z.iso.datetime({ offset: true }).optional(),
  id: z.uuid().optional(),
  url: z.url().optional(),
  state: z.enum(['draft', 'ended']).optional(),
  weightBp: z.int().min(1).max(9_999).optional(),
  above: z.number().positive().optional(),
  reason: z.string().trim().min(1).max(5).optional(),
  steps: z.array(z.int()).min(1).optional(),
  name: z
    .string()
    .regex(/^[a-z]+$/, 'is lower-case letters')
    .optional(),
  group: z.string(),
});

function said(value: object): string {
  try {
    validate(schema, { group: 'g', ...value }, '');
    return 'nothing';
  } catch (error) {
    return (error as Problem).issues!.map(({ field, message }) => `${field} ${message}`).join('; ');
  }
}

test.each([
  [{ at: 'yesterday' }, 'at must be a time with its zone, like 2030-01-31T08:30:00Z'],
  [{ id: 'x' }, 'id must be an id (a UUID)'],
  [{ url: 'x' }, 'url must be a URL, like https://example.com/path'],
  [{ state: 'x' }, 'state must be one of "draft", "ended"'],
  [{ weightBp: 10_000 }, 'weightBp must be at most 9999'],
  [{ weightBp: 0 }, 'weightBp must be at least 1'],
  [{ weightBp: 1.5 }, 'weightBp must be an integer'],
  [{ weightBp: 'x' }, 'weightBp must be a number'],
  [{ above: 0 }, 'above must be more than 0'],
  [{ reason: ' ' }, 'reason must have at least 1 character'],
  [{ reason: 'too long' }, 'reason must have at most 5 characters'],
  [{ reason: 5 }, 'reason must be a string'],
  [{ steps: [] }, 'steps must hold at least 1 item'],
  [{ steps: {} }, 'steps must be a list'],
  [{ name: 'A' }, 'name is lower-case letters'],
  [{ group: undefined }, 'group is required'],
])('%j: what a field must be', (value, expected) => {
  expect(said(value)).toBe(expected);
});
