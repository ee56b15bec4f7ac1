/** A value that travels beside a statement, which names its place: ClickHouse's `{name:Type}`. */
export interface Bound {
  readonly type: string;
  /** As ClickHouse reads it: the text of tab-separated values. */
  readonly text: string;
}

/** A piece of SQL with the values that it needs. Made by `sql` alone, so that no value can become text of a statement. */
export class Fragment {
  readonly #pieces: readonly (string | Bound)[];

  constructor(pieces: readonly (string | Bound)[]) {
    this.#pieces = pieces;
  }

  get pieces(): readonly (string | Bound)[] {
    return this.#pieces;
  }
}

/** A statement to send. */
export interface Statement {
  readonly text: string;
  /** By name, without the `param_` of the HTTP interface. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** SQL with values and other pieces in it. */
export function sql(texts: TemplateStringsArray, ...parts: readonly (Fragment | Bound)[]): Fragment {
  const pieces: (string | Bound)[] = [];
  for (const [index, text] of texts.entries()) {
    pieces.push(text);
    const part = parts[index];
    if (part instanceof Fragment) pieces.push(...part.pieces);
    else if (part !== undefined) pieces.push(part);
  }
  return new Fragment(pieces);
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A name of ours: of a column, a table or an alias. @throws TypeError for what is no name */
export function name(text: string): Fragment {
  if (!NAME.test(text)) throw new TypeError(`"${text}" is no name`);
  return new Fragment([text]);
}

/** A number that stands where ClickHouse takes no parameter: of an aggregate, or a setting. @throws RangeError unless it is finite */
export function literal(value: number): Fragment {
  if (!Number.isFinite(value)) throw new RangeError(`${value} is no number`);
  return new Fragment([String(value)]);
}

/** Pieces one after the other. */
export function join(fragments: readonly Fragment[], separator = ', '): Fragment {
  return new Fragment(fragments.flatMap(({ pieces }, index) => (index === 0 ? pieces : [separator, ...pieces])));
}

export function text(value: string): Bound {
  return { type: 'String', text: escaped(value) };
}

export function uuid(value: string): Bound {
  return { type: 'UUID', text: escaped(value) };
}

/** @throws RangeError unless it is a whole number that a double holds exactly */
export function int(value: number): Bound {
  return { type: 'Int64', text: wholeText(value) };
}

export function texts(values: readonly string[]): Bound {
  return { type: 'Array(String)', text: listOf(values.map(quoted)) };
}

export function uuids(values: readonly string[]): Bound {
  return { type: 'Array(UUID)', text: listOf(values.map(quoted)) };
}

export function ints(values: readonly number[]): Bound {
  return { type: 'Array(Int64)', text: listOf(values.map(wholeText)) };
}

/** A moment as the columns of the log have it. */
export function moment(value: Date): Fragment {
  return sql`fromUnixTimestamp64Milli(${int(value.getTime())}, 'UTC')`;
}

/** Moments, to be looked for in a column of the log. */
export function moments(values: readonly Date[]): Bound {
  const written = values.map((value) => quoted(value.toISOString().replace('T', ' ').replace('Z', '')));
  return { type: "Array(DateTime64(3, 'UTC'))", text: listOf(written) };
}

/** Gives each value its name; one that comes several times travels once. */
export function toStatement({ pieces }: Fragment): Statement {
  const names = new Map<string, string>();
  const parameters: Record<string, string> = {};
  const written = pieces.map((piece) => {
    if (typeof piece === 'string') return piece;
    const key = `${piece.type} ${piece.text}`;
    const known = names.get(key);
    const named = known ?? `p${names.size}`;
    if (known === undefined) {
      names.set(key, named);
      parameters[named] = piece.text;
    }
    return `{${named}:${piece.type}}`;
  });
  return { text: written.join(''), parameters };
}

/** What would end a value, or a line of them, is escaped. */
function escaped(value: string): string {
  return value.replace(/[\\\t\n\r\0\b\f]/g, (found) => ESCAPES[found]!);
}

function quoted(value: string): string {
  return `'${escaped(value).replaceAll("'", "\\'")}'`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' },
  ...{ '\0': '\\0', '\b': '\\b', '\f': '\\f' },
};

function listOf(values: readonly string[]): string {
  return `[${values.join(',')}]`;
}

function wholeText(value: number): string {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no whole number that is exact`);
  return String(value);
}
