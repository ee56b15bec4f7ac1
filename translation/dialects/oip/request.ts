import { endOfValue } from '#core/body-scan/end-of-value.ts';
import { planScan, type ScanPlan, type Span, scanBody } from '#core/body-scan.ts';
import { RingsideError } from '#core/errors.ts';
import type { Operation } from '#core/names.ts';
import type { RequestTarget } from '../../chat/dialect.ts';
import type { ParsedRequest } from '../ingress.ts';

type Spans = readonly (Span | undefined)[];

/** Types of tensors by the protocol, and BF16, which Triton adds. */
const DATATYPES: ReadonlySet<unknown> = new Set([
  ...['BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64'],
  ...['FP16', 'BF16', 'FP32', 'FP64', 'BYTES'],
]);
/** By these tensors come or go beside the JSON: in bytes behind it, or in memory that a server shares with its neighbours. */
const SIDE_CHANNELS = [
  'binary_data_size',
  'binary_data',
  'binary_data_output',
  'shared_memory_region',
  'shared_memory_offset',
  'shared_memory_byte_size',
];
/** A body whose tensors follow its JSON, as the header `inference-header-content-length` says. */
const TRAILING = /but the body goes on\.$/;
const NO_BINARY = 'Tensors in binary are not supported; send them as JSON, in "data".';
const MAX_TENSORS = 1_000;
const MAX_FIELD_BYTES = 65_536;

const GOVERNED = ['id', 'parameters', 'inputs', 'outputs'] as const;
const INPUT = planScan(['name', 'shape', 'datatype', 'parameters', 'data']);
const OUTPUT = planScan(['name', 'parameters']);
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Scans for the envelope's keys and for those that some adapter refuses. */
export function planRequest(refusedKeys: readonly string[]): ScanPlan {
  return planScan([...GOVERNED, ...refusedKeys]);
}

/** The envelope of `infer` as the flow needs it. The model is the path's, and there is nothing to put into the body. */
export function parseRequest(
  body: Buffer,
  plan: ScanPlan,
  _operation: Operation,
  target: RequestTarget,
): ParsedRequest {
  const spans = scan(body, '', plan);
  readEnvelope(body, spans);
  return {
    model: target.model ?? '',
    modelSpan: null,
    stream: false,
    user: null,
    metadata: null,
    hideUsage: false,
    insertion: null,
    refused: plan.keys.filter((_, index) => index >= GOVERNED.length && spans[index] !== undefined),
  };
}

/**
 * Checks tensors for name, shape, datatype and data. The numbers are never parsed.
 * @throws bad_request naming the field
 */
function readEnvelope(body: Buffer, [id, parameters, inputs, outputs]: Spans): void {
  if (id !== undefined) readText(body, id, 'id');
  readParameters(body, parameters, 'parameters');
  if (inputs === undefined) throw bad('inputs', 'The key "inputs" is missing; send a list of tensors.');
  const tensors = elements(body, inputs, 'inputs');
  if (tensors.length === 0) throw bad('inputs', 'The list "inputs" is empty; send at least one tensor.');
  for (const [index, span] of tensors.entries()) readInput(body, span, `inputs[${index}]`);
  if (outputs === undefined) return;
  for (const [index, span] of elements(body, outputs, 'outputs').entries()) readOutput(body, span, `outputs[${index}]`);
}

function readInput(body: Buffer, span: Span, at: string): void {
  const bytes = body.subarray(span.start, span.end);
  const [name, shape, datatype, parameters, data] = scan(bytes, at, INPUT);
  readParameters(bytes, parameters, `${at}.parameters`);
  readText(bytes, required(name, `${at}.name`), `${at}.name`);
  readShape(bytes, required(shape, `${at}.shape`), `${at}.shape`);
  const type = readText(bytes, required(datatype, `${at}.datatype`), `${at}.datatype`);
  if (!DATATYPES.has(type)) throw bad(`${at}.datatype`, `"${type.slice(0, 50)}" is no datatype of the protocol.`);
  if (bytes[required(data, `${at}.data`).start] !== OPEN_BRACKET) {
    throw bad(`${at}.data`, `The key "data" of ${at} must be a list.`);
  }
}

function readOutput(body: Buffer, span: Span, at: string): void {
  const bytes = body.subarray(span.start, span.end);
  const [name, parameters] = scan(bytes, at, OUTPUT);
  readText(bytes, required(name, `${at}.name`), `${at}.name`);
  readParameters(bytes, parameters, `${at}.parameters`);
}

/** Parameters are the upstream's, but for those that ask for tensors beside the JSON. False asks for none. */
function readParameters(bytes: Buffer, span: Span | undefined, at: string): void {
  if (span === undefined) return;
  const value = parse(bytes, span, at);
  if (value === null) return;
  if (typeof value !== 'object' || Array.isArray(value)) throw bad(at, `The key "${at}" must be an object.`);
  for (const key of SIDE_CHANNELS) {
    const said = (value as Record<string, unknown>)[key];
    if (said !== undefined && said !== null && said !== false) {
      throw bad(`${at}.${key}`, `"${at}.${key}" is not supported: tensors are sent and answered as JSON, in "data".`);
    }
  }
}

function readShape(bytes: Buffer, span: Span, at: string): void {
  const shape = parse(bytes, span, at);
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!isShape) throw bad(at, `The key "${at}" must be a list of sizes: whole numbers from 0 on.`);
}

function readText(bytes: Buffer, span: Span, at: string): string {
  const text = parse(bytes, span, at);
  if (typeof text !== 'string' || (text === '' && at !== 'id')) throw bad(at, `The key "${at}" must be a text.`);
  return text;
}

/** Small fields only: data is never parsed. */
function parse(bytes: Buffer, { start, end }: Span, at: string): unknown {
  if (end - start > MAX_FIELD_BYTES) throw bad(at, `The key "${at}" is longer than ${MAX_FIELD_BYTES} bytes.`);
  try {
    return JSON.parse(bytes.toString('utf8', start, end));
  } catch {
    throw bad(at, `The key "${at}" is not JSON.`);
  }
}

function scan(bytes: Buffer, at: string, plan: ScanPlan): Spans {
  const found = scanBody(bytes, plan);
  if (found.kind === 'ok') return found.spans;
  const param = [at, found.param].filter((name) => name !== null && name !== '').join('.');
  const hint = TRAILING.test(found.message) ? ` ${NO_BINARY}` : '';
  const message = at === '' ? found.message + hint : `${at} is no tensor: ${found.message}`;
  throw new RingsideError('bad_request', message, param === '' ? {} : { param });
}

/** Where the elements of a list are. */
function elements(bytes: Buffer, { start, end }: Span, at: string): Span[] {
  if (bytes[start] !== OPEN_BRACKET) throw bad(at, `The key "${at}" must be a list of tensors.`);
  const spans: Span[] = [];
  let from = skipSpace(bytes, start + 1);
  while (from < end && bytes[from] !== CLOSE_BRACKET) {
    if (bytes[from] !== OPEN_BRACE) {
      throw bad(`${at}[${spans.length}]`, `The element ${at}[${spans.length}] must be an object.`);
    }
    const to = endOfValue(bytes, from, INPUT);
    if (to < 0 || spans.length === MAX_TENSORS) {
      throw bad(
        at,
        to < 0 ? `The list "${at}" is not JSON.` : `The list "${at}" has more than ${MAX_TENSORS} tensors.`,
      );
    }
    spans.push({ start: from, end: to });
    from = skipSpace(bytes, to);
    if (bytes[from] === COMMA) from = skipSpace(bytes, from + 1);
    else if (bytes[from] !== CLOSE_BRACKET) throw bad(at, `The list "${at}" is not JSON.`);
  }
  return spans;
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at++;
  return at;
}

function required(span: Span | undefined, at: string): Span {
  if (span === undefined) throw bad(at, `The key "${at}" is missing.`);
  return span;
}

function bad(param: string, message: string): RingsideError {
  return new RingsideError('bad_request', message, { param });
}
