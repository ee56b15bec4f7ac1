import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  int,
  ints,
  join,
  literal,
  name,
  sql,
  text,
  texts,
  toStatement,
  uuids,
} from '#inference-log/sinks/clickhouse/statement.ts';

test('values travel beside the statement, each once, with its type', () => {
  const where = sql`unit = ${text('a')} AND n > ${int(5)}`;
  const statement = toStatement(
    sql`SELECT ${join([name('x'), literal(0.5)])} FROM t WHERE ${where} OR unit = ${text('a')}`,
  );
  expect(statement).toEqual({
    text: 'SELECT x, 0.5 FROM t WHERE unit = {p0:String} AND n > {p1:Int64} OR unit = {p0:String}',
    parameters: { p0: 'a', p1: '5' },
  });
});

const awkward = fc.string({ unit: fc.constantFrom('a', "'", '\\', '\t', '\n', '\0', '{', '}', 'é'), maxLength: 12 });

test('no value changes the text of a statement', () => {
  fc.assert(
    fc.property(awkward, fc.array(awkward), (one, many) => {
      const statement = toStatement(sql`SELECT ${text(one)}, ${texts(many)}`);
      expect(statement.text).toBe('SELECT {p0:String}, {p1:Array(String)}');
      // What ends a value of tab-separated text.
      expect(statement.parameters['p0']).not.toMatch(/[\t\n\0]/);
    }),
  );
});

test('quotes, backslashes and ends of lines are escaped as tab-separated values have it', () => {
  const { parameters } = toStatement(sql`${text("a\\b'\t\n")} ${texts(["o'b\\", ''])} ${uuids([])} ${ints([1, -2])}`);
  expect(Object.values(parameters)).toEqual(["a\\\\b'\\t\\n", "['o\\'b\\\\','']", '[]', '[1,-2]']);
});

test('what is no name or no number is refused', () => {
  expect(() => name('x; DROP TABLE y')).toThrow(TypeError);
  expect(() => literal(Number.NaN)).toThrow(RangeError);
  expect(() => int(2 ** 53)).toThrow(RangeError);
  expect(() => ints([0.5])).toThrow(RangeError);
});
