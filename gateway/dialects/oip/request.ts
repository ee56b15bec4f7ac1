import { endOfValue } from '#core/body-scan/end-of-value.ts';
import { planScan, type Span, scanBody } from '#core/body-scan.ts';
import { RingsideError } from '#core/errors.ts';

/** One tensor of a request, without its data. */
export interface InferTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** What the gateway knows of a request for an inference; its bytes go on as they are. */
export interface InferRequest {
  readonly id: string | null;
  readonly inputs: readonly InferTensor[];
}

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
/** Says how many bytes of a body are JSON when tensors follow it. */
export const BINARY_HEADER = 'inference-header-content-length';
const MAX_TENSORS = 1_000;
const MAX_FIELD_BYTES = 65_536;

const ENVELOPE = planScan(['id', 'parameters', 'inputs', 'outputs']);
const INPUT = planScan(['name', 'shape', 'datatype', 'parameters', 'data']);
const OUTPUT = planScan(['name', 'parameters']);
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/**
 * Checks the envelope of `infer`: tensors with name, shape, datatype and data. The numbers are never parsed.
 * @param binaryHeader the value of {@link BINARY_HEADER}
 * @throws bad_request naming the field
 */
export function readRequest(body: Buffer, binaryHeader: string | undefined): InferRequest {
  if (binaryHeader !== undefined) {
    throw bad(BINARY_HEADER, 'Tensors in binary are not supported; send them as JSON, in "data".');
  }
  const [id, parameters, inputs, outputs] = scan(body, '', ENVELOPE);
  readParameters(body, parameters, 'parameters');
  if (inputs === undefined) throw bad('inputs', 'The key "inputs" is missing; send a list of tensors.');
  const tensors = elements(body, inputs, 'inputs').map((span, index) => readInput(body, span, `inputs[${index}]`));
  if (tensors.length === 0) throw bad('inputs', 'The list "inputs" is empty; send at least one tensor.');
  if (outputs !== undefined) {
    for (const [index, span] of elements(body, outputs, 'outputs').entries()) {
      readOutput(body, span, `outputs[${index}]`);
    }
  }
  return { id: id === undefined ? null : readText(body, id, 'id'), inputs: tensors };
}

function readInput(body: Buffer, span: Span, at: string): InferTensor {
  const bytes = body.subarray(span.start, span.end);
  const [name, shape, datatype, parameters, data] = scan(bytes, at, INPUT);
  readParameters(bytes, parameters, `${at}.parameters`);
  const tensor = {
    name: readText(bytes, required(name, `${at}.name`), `${at}.name`),
    shape: readShape(bytes, required(shape, `${at}.shape`), `${at}.shape`),
    datatype: readText(bytes, required(datatype, `${at}.datatype`), `${at}.datatype`),
  };
  if (!DATATYPES.has(tensor.datatype)) {
    throw bad(`${at}.datatype`, `"${tensor.datatype.slice(0, 50)}" is no datatype of the protocol.`);
  }
  if (bytes[required(data, `${at}.data`).start] !== OPEN_BRACKET) {
    throw bad(`${at}.data`, `The key "data" of ${at} must be a list.`);
  }
  return tensor;
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

function readShape(bytes: Buffer, span: Span, at: string): number[] {
  const shape = parse(bytes, span, at);
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!isShape) throw bad(at, `The key "${at}" must be a list of sizes: whole numbers from 0 on.`);
  return shape;
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

function scan(bytes: Buffer, at: string, plan: ReturnType<typeof planScan>): readonly (Span | undefined)[] {
  const found = scanBody(bytes, plan);
  if (found.kind === 'ok') return found.spans;
  const param = [at, found.param].filter((name) => name !== null && name !== '').join('.');
  const message = at === '' ? found.message : `${at} is no tensor: ${found.message}`;
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
    const to = endOfValue(bytes, from, ENVELOPE);
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
