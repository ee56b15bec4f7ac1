import type { z } from '@hono/zod-openapi';

/** How the library's own messages begin; a schema that says something better keeps its words. */
const GENERIC = /^(Invalid|Too (big|small))/;

const FORMATS: Readonly<Record<string, string>> = {
  datetime: 'must be a time with its zone, like 2030-01-31T08:30:00Z',
  url: 'must be a URL, like https://example.com/path',
  uuid: 'must be an id (a UUID)',
};

/** What is wrong with a field, and what it must be, in words for whoever filled it in. */
export function issueMessage(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) return 'is required';
  if (!GENERIC.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${withArticle(issue.expected)}`;
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum);
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum);
    case 'invalid_format':
      return FORMATS[issue.format] ?? issue.message;
    default:
      return issue.message;
  }
}

function withArticle(type: string): string {
  const name = type === 'int' ? 'integer' : type === 'array' ? 'list' : type;
  return `${/^[aio]/.test(name) ? 'an' : 'a'} ${name}`;
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  switch (origin) {
    case 'string':
      return `must have ${relation} ${limit} character${Number(limit) === 1 ? '' : 's'}`;
    case 'array':
    case 'set':
      return `must hold ${relation} ${limit} item${Number(limit) === 1 ? '' : 's'}`;
    default:
      return `must be ${relation} ${limit}`;
  }
}
