import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { nameSchema } from '#core/names.ts';
import type { AdminRole } from '#store/database.ts';
import { type Db, inOrganization, type Tx } from '#store/pool.ts';
import { type Authenticator, actorOf } from '../access/authenticate.ts';
import { notFound } from '../problem.ts';
import type { Change, Changes } from '../publish/change.ts';
import { API_BASE, type ApiEnv, changeAnswer, readAnswer, streamAnswer } from './answer.ts';
import { parseJson, readBody } from './body.ts';
import { describeOperation } from './openapi.ts';
import { type IfMatch, parseIdempotencyKey, parseIfMatch } from './preconditions.ts';
import { validate } from './validate.ts';

/** What every operation says of itself, for the router, the access check and the OpenAPI document. */
interface Operation {
  /** Below `/api/v1`, with at most one parameter: `/groups/{name}/weights`. */
  readonly path: `/${string}`;
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** The least role that may call it. */
  readonly role: AdminRole;
  readonly answer: z.ZodType;
  readonly example: unknown;
}

interface ReadOperation<Query extends z.ZodObject = z.ZodObject> extends Operation {
  readonly query: Query;
  readonly handle: (tx: Tx, call: ReadCall<z.output<Query>>) => Promise<{ body: object; version?: number }>;
}

export interface ReadCall<Query> {
  readonly organizationId: string;
  /** The path's parameter: a name or an id. Empty where the path has none. */
  readonly ref: string;
  readonly query: Query;
}

interface StreamOperation<Query extends z.ZodObject = z.ZodObject> extends Operation {
  readonly query: Query;
  /** The media type that the documentation shows. */
  readonly media: string;
  readonly handle: (call: StreamCall<z.output<Query>>) => Promise<StreamAnswer>;
}

export interface StreamCall<Query> {
  readonly organizationId: string;
  readonly query: Query;
  /** Runs one step of the answer in a transaction of its own: none stays open while the caller reads. */
  read<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>;
}

/** An answer that is made while it is read. A failure after its first piece breaks the connection. */
export interface StreamAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<string>;
}

interface ChangeOperation<Body extends z.ZodType = z.ZodType> extends Operation {
  readonly method: 'post' | 'put' | 'patch' | 'delete';
  readonly status: Change['status'];
  /**
   * Null: the request has no body. `name` is what fields at fault start with, where the body is no object of fields. `optional`: an
   * absent body is an empty object.
   */
  readonly body: {
    readonly schema: Body;
    readonly name?: string;
    readonly optional?: true;
    readonly example: unknown;
  } | null;
  readonly handle: (tx: Tx, call: ChangeCall<z.output<Body>>) => Promise<Change>;
}

export interface ChangeCall<Body> {
  readonly organizationId: string;
  readonly ref: string;
  readonly body: Body;
  readonly ifMatch: IfMatch;
  /** As the audit log names who calls. */
  readonly actor: string;
  readonly requestId: string;
}

/** The answer of a read whose resource has a version, and so an ETag. */
export function versioned<View extends { readonly version: number }>(body: View): { body: View; version: number } {
  return { body, version: body.version };
}

/** The query of an operation that takes none. */
export const noQuerySchema = z.strictObject({});

/** Puts operations on the router and into the OpenAPI document. */
export interface Operations {
  read<Query extends z.ZodObject>(operation: ReadOperation<Query>): void;
  stream<Query extends z.ZodObject>(operation: StreamOperation<Query>): void;
  change<Body extends z.ZodType>(operation: ChangeOperation<Body>): void;
}

export interface OperationsDeps {
  readonly app: OpenAPIHono<ApiEnv>;
  readonly db: Db;
  readonly authenticator: Authenticator;
  readonly changes: Changes;
}

/** Every request runs through the same steps: who, path, body, schema, transaction, answer. */
export function createOperations({ app, db, authenticator, changes }: OperationsDeps): Operations {
  return {
    read(operation) {
      describeOperation(app, { ...operation, method: 'get', status: 200, body: null });
      app.get(routePath(operation.path), async (c) => {
        const { organizationId } = await authenticator.authorize(c.req.header('authorization'), operation.role);
        const ref = refOf(c, operation);
        const query = validate(operation.query, c.req.query(), '');
        const { body, version } = await inOrganization(db, organizationId, (tx) =>
          operation.handle(tx, { organizationId, ref, query }),
        );
        return readAnswer(c, body, version);
      });
    },
    stream(operation) {
      describeOperation(app, { ...operation, method: 'get', status: 200, body: null });
      app.get(routePath(operation.path), async (c) => {
        const { organizationId } = await authenticator.authorize(c.req.header('authorization'), operation.role);
        const query = validate(operation.query, c.req.query(), '');
        const read = <Result>(work: (tx: Tx) => Promise<Result>) => inOrganization(db, organizationId, work);
        return streamAnswer(c, await operation.handle({ organizationId, query, read }));
      });
    },
    change(operation) {
      describeOperation(app, { ...operation, query: null });
      app.on(operation.method.toUpperCase(), routePath(operation.path), async (c) => {
        const principal = await authenticator.authorize(c.req.header('authorization'), operation.role);
        const ref = refOf(c, operation);
        const idempotencyKey = parseIdempotencyKey(c.req.header('idempotency-key'));
        const ifMatch = parseIfMatch(c.req.header('if-match'));
        const bytes = await readBody(c.req.raw);
        const body = parseBody(operation, c.req.header('content-type'), bytes);
        const request = {
          principal,
          requestId: c.var.requestId,
          idempotencyKey,
          method: c.req.method,
          path: c.req.path,
        };
        const applied = await changes.apply({ ...request, body: bytes }, (tx) =>
          operation.handle(tx, {
            ...{ organizationId: principal.organizationId, ref, body, ifMatch },
            ...{ actor: actorOf(principal), requestId: c.var.requestId },
          }),
        );
        return changeAnswer(c, applied);
      });
    },
  };
}

function parseBody<Body extends z.ZodType>(
  { body }: ChangeOperation<Body>,
  contentType: string | undefined,
  bytes: Uint8Array,
): z.output<Body> {
  if (body === null) return undefined as z.output<Body>;
  if (body.optional === true && bytes.byteLength === 0) return validate(body.schema, {}, '');
  return validate(body.schema, parseJson(contentType ?? null, bytes), body.name ?? '');
}

function routePath(path: string): string {
  return API_BASE + path.replaceAll(/\{(\w+)\}/g, ':$1');
}

/** The path's one parameter. What can be no name is answered like a name that nobody has. */
function refOf(c: Context<ApiEnv>, operation: Operation): string {
  const parameter = /\{(\w+)\}/.exec(operation.path)?.[1];
  if (parameter === undefined) return '';
  const ref = c.req.param(parameter) ?? '';
  if (!nameSchema.safeParse(ref).success) throw notFound(operation.tag.replace(/s$/, ''), ref);
  return ref;
}
