import { type OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import { API_BASE, type ApiEnv } from './answer.ts';

/** The part of an operation that its documentation is made from. */
interface Documented {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly path: string;
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly role: string;
  readonly status: number;
  readonly answer: z.ZodType;
  readonly example: unknown;
  /** Media type of the answer, if it is not JSON. */
  readonly media?: string;
  readonly query: z.ZodObject | null;
  readonly body: { readonly schema: z.ZodType; readonly optional?: true; readonly example: unknown } | null;
}

const issueSchema = z.object({ field: z.string(), message: z.string() });
const problemSchema = z
  .object({
    type: z.string().openapi({ example: 'urn:ringside:problem:invalid' }),
    title: z.string().openapi({ example: 'Invalid request' }),
    status: z.int().openapi({ example: 422 }),
    detail: z.string().openapi({ example: 'variants: weightBp must sum to 10000 (100 %), got 9900' }),
    field: z.string().optional().openapi({ description: 'The first field at fault.', example: 'variants' }),
    issues: z.array(issueSchema).optional(),
    requestId: z.string().openapi({ description: 'Also in `x-request-id` and in the audit log.' }),
  })
  .openapi('Problem', { description: 'RFC 9457 problem details.' });

const REFUSALS: Readonly<Record<string, string>> = {
  400: 'Not JSON, or another content type.',
  401: 'The admin token is missing, unknown or expired.',
  403: "The token's role does not allow this.",
  404: 'There is no such resource in this organization.',
  409: 'The name is taken, something still depends on the resource, or its state does not allow this.',
  412: '`If-Match` names another version than the present one.',
  413: 'The body is longer than 1 MB.',
  422: 'A field is wrong; `field` and `issues` name it.',
  503: 'The database is out; `Retry-After` says when to try again. An `Idempotency-Key` makes that safe.',
};
const READ_REFUSALS = ['401', '403', '404', '422', '503'];
/** A creation has neither a path parameter nor a version to match. */
const NOT_OF_CREATIONS = ['404', '412'];

const createHeaders = z.object({
  'Idempotency-Key': z.string().optional().openapi({
    description: 'Repeating a request with its key within 24 hours gives the first answer again.',
  }),
});
const changeHeaders = createHeaders.extend({
  'If-Match': z.string().optional().openapi({ description: 'The ETag that the change is based on.', example: '"3"' }),
});

const header = (description: string, example: string) => ({
  description,
  schema: { type: 'string' as const, example },
});
const VERSION_HEADER = { ETag: header("The resource's version; send it back in `If-Match`.", '"3"') };
const CHANGE_HEADERS = {
  ...VERSION_HEADER,
  'x-ringside-served': header('Live gateways that serve this change already / live gateways.', '2/2'),
  'x-ringside-config-version': header('The configuration version that this change was published as.', '43'),
  'Idempotency-Replayed': header('`true` when this answer was given before.', 'true'),
};

/** Adds an operation to the OpenAPI document. */
export function describeOperation(app: OpenAPIHono<ApiEnv>, operation: Documented): void {
  const reads = operation.method === 'get';
  const parameter = /\{(\w+)\}/.exec(operation.path)?.[1];
  // A POST to a resource that is there orders something of it.
  const creates = operation.method === 'post' && parameter === undefined;
  const request: NonNullable<RouteConfig['request']> = {};
  if (parameter !== undefined) {
    request.params = z.object({ [parameter]: z.string().openapi({ description: 'Name or id.' }) });
  }
  if (operation.query !== null) request.query = operation.query;
  if (!reads) request.headers = creates ? createHeaders : changeHeaders;
  if (operation.body !== null) {
    const { schema, example, optional } = operation.body;
    request.body = { required: optional !== true, content: { 'application/json': { schema, example } } };
  }
  const answer = { [operation.media ?? 'application/json']: { schema: operation.answer, example: operation.example } };
  const listed = operation.operationId.startsWith('list');
  const refusals = Object.entries(REFUSALS).filter(([status]) =>
    reads ? READ_REFUSALS.includes(status) : !creates || !NOT_OF_CREATIONS.includes(status),
  );
  app.openAPIRegistry.registerPath({
    method: operation.method,
    path: API_BASE + operation.path,
    operationId: operation.operationId,
    tags: [operation.tag],
    summary: operation.summary,
    description: [operation.description, `Needs the role \`${operation.role}\`.`].filter(Boolean).join('\n\n'),
    security: [{ adminToken: [] }],
    request,
    responses: {
      [operation.status]: {
        description: operation.status === 204 ? 'Deleted.' : 'Done.',
        headers: reads ? (listed ? {} : VERSION_HEADER) : CHANGE_HEADERS,
        ...(operation.status === 204 ? {} : { content: answer }),
      },
      ...Object.fromEntries(
        refusals.map(([status, description]) => [
          status,
          { description, content: { 'application/problem+json': { schema: problemSchema } } },
        ]),
      ),
    },
  });
}

/** The OpenAPI 3.1 document of everything that was described so far. */
export function buildOpenApiDocument(app: OpenAPIHono<ApiEnv>) {
  app.openAPIRegistry.registerComponent('securitySchemes', 'adminToken', {
    type: 'http',
    scheme: 'bearer',
    description:
      'An admin token (`rsa_…`). It belongs to one organization and has a role: viewer, operator, admin or owner.',
  });
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Ringside control API',
      version: '1',
      description:
        'Configures the inference gateway: providers, models, model groups with their weighted split, and API keys. ' +
        'Every change is one transaction and reaches the live gateways before the answer, as `x-ringside-served` says.',
      license: { name: 'MIT' },
    },
    servers: [{ url: '/', description: 'This control plane.' }],
    tags: TAGS.map(([name, description]) => ({ name, description })),
  });
  admitNull(document);
  return document;
}

/**
 * The generator writes "a shared schema, or null" as both at once, which null is not: `allOf` of the reference and `["object","null"]`.
 * Made `anyOf` here, in place.
 */
function admitNull(node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  const schema = node as { allOf?: readonly { $ref?: string; type?: unknown }[]; anyOf?: unknown };
  const [reference, kind] = Array.isArray(schema.allOf) && schema.allOf.length === 2 ? schema.allOf : [];
  const admitsNull = Array.isArray(kind?.type) && kind.type.includes('null') && Object.keys(kind).length === 1;
  if (reference?.$ref !== undefined && admitsNull) {
    delete schema.allOf;
    schema.anyOf = [reference, { type: 'null' }];
  }
  for (const child of Object.values(node)) admitNull(child);
}

const TAGS = [
  ['providers', 'Connections to upstreams. Credentials are write-only.'],
  ['models', 'What the gateway can call: one or more deployments on providers.'],
  ['groups', 'The public names that applications put in `model`; each owns a weighted split.'],
  ['experiments', 'What rollouts are decided by: evidence by unit, every look at it, and breakdowns.'],
  ['rollouts', 'Move traffic from the champion to a challenger, step by step, and decide by an experiment.'],
  ['freeze-windows', 'Times in which no rollout goes forward. The way back is always open.'],
  ['keys', 'API keys of applications, shown once.'],
  ['inferences', 'The durable record of every inference.'],
  ['ledger', 'Where every accepted inference is: in flight, spooled, stored, archived, or lost, and why.'],
  ['feedback', 'What applications reported of inferences, through the gateway.'],
  ['gateways', 'The processes that serve, and what they serve.'],
  ['audit', 'Who changed what, and when.'],
] as const;
