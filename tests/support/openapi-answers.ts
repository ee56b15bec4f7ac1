import { Validator } from '@cfworker/json-schema';
import type { ApiClient } from './control-plane.ts';

type Schema = { [key: string]: unknown };

/** The part of an OpenAPI document that says what is answered. */
export interface AnswersDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: Responses }>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

type Responses = Readonly<
  Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> } | undefined>
>;

/**
 * What is wrong with a real answer by the document: a status that it does not name, a field of another type, one that lacks, and one
 * that it does not know. Empty: nothing.
 * @param path as the document writes it: `/api/v1/rollouts/{id}`
 */
export function answerFaults(
  document: AnswersDocument,
  call: { readonly method: string; readonly path: string },
  answer: { readonly status: number; readonly contentType: string; readonly body: unknown },
): string[] {
  const responses = document.paths[call.path]?.[call.method.toLowerCase()]?.responses;
  const response = responses?.[String(answer.status)];
  if (response === undefined) return [`${answer.status} is not documented`];
  if (response.content === undefined) return answer.body === undefined ? [] : ['a body is not documented'];
  const type = answer.contentType.split(';')[0]!.trim();
  const schema = response.content[type]?.schema;
  if (schema === undefined) return [`${type} is not documented`];
  const extended = new Set(extendedBy(document.components));
  const whole = closed({ ...schema, components: document.components }, extended) as Schema;
  const { errors } = new Validator(whole, '2020-12', false).validate(answer.body);
  // The innermost say what is wrong; those around them, that something inside is.
  return errors
    .filter(({ keyword }) => !['properties', 'items', '$ref', 'anyOf', 'oneOf', 'allOf'].includes(keyword))
    .map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`);
}

/** What other schemas extend: parts of an `allOf` see fields of each other, so that none of them is closed alone. */
function extendedBy(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const parts = (value as Schema)['allOf'];
  const names = Array.isArray(parts)
    ? parts.flatMap(({ $ref }: Schema) => (typeof $ref === 'string' ? [$ref] : []))
    : [];
  return [...names, ...Object.values(value).flatMap(extendedBy)];
}

/** Objects that name their fields have no others. */
function closed(value: unknown, extended: ReadonlySet<string>, at = '#', isPart = false): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each, index) => closed(each, extended, `${at}/${index}`, isPart));
  const schema = value as Schema;
  const entries = Object.entries(schema).map(([key, each]) => [
    key,
    closed(each, extended, `${at}/${key}`, key === 'allOf'),
  ]);
  const inner: Schema = Object.fromEntries(entries);
  if (isPart || extended.has(at) || schema['additionalProperties'] !== undefined) return inner;
  if (Array.isArray(schema['allOf'])) return { ...inner, unevaluatedProperties: false };
  return schema['type'] === 'object' && typeof schema['properties'] === 'object'
    ? { ...inner, additionalProperties: false }
    : inner;
}

/** The same client; an answer that is not as the document says is an error, which ends the test that asked. */
export async function withDocumentedAnswers(url: string, api: ApiClient): Promise<ApiClient> {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as AnswersDocument;
  const templates = Object.keys(document.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }));
  const call: typeof api = Object.assign(
    async (...[method, path, ...rest]: Parameters<ApiClient>) => {
      const answer = await api(method, path, ...rest);
      const [plain] = `/api/v1${path}`.split('?');
      const template = templates.find(({ pattern }) => pattern.test(plain!));
      if (template === undefined) return answer;
      const { status, body, headers } = answer;
      const seen = { status, contentType: headers.get('content-type') ?? '', body: body ?? undefined };
      const faults = answerFaults(document, { method, path: template.path }, seen);
      if (faults.length > 0) throw new Error(`${method} ${path} is not as documented:\n${faults.join('\n')}`);
      return answer;
    },
    { token: api.token, organizationId: api.organizationId },
  );
  return call;
}
