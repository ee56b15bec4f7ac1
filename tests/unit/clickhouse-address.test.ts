import { expect, test } from 'vitest';
import { parseSettings } from '#cli/settings.ts';
import { parseClickHouseUrl } from '#inference-log/sinks/clickhouse/address.ts';
import { errorOf, isRefusal } from '#inference-log/sinks/clickhouse/errors.ts';

test('an address is taken apart, with defaults where it says nothing', () => {
  expect(parseClickHouseUrl('https://us%40er:p%2Fw@ch.example.com/ring_1?compression=zstd')).toEqual({
    kind: 'parsed',
    address: {
      ...{ protocol: 'https:', host: 'ch.example.com', port: 8443, user: 'us@er', password: 'p/w' },
      ...{ database: 'ring_1', compression: 'zstd' },
    },
  });
  expect(parseClickHouseUrl('http://[::1]:80/r')).toMatchObject({
    address: { host: '::1', port: 80, user: 'default', password: '', compression: 'none' },
  });
  expect(parseClickHouseUrl('http://h/r')).toMatchObject({ address: { port: 8123 } });
});

test.each([
  ['nonsense', /is not a URL/],
  ['postgresql://u:hunter2@h/r', /http/],
  ['http://u:hunter2@h', /database/],
  ['http://u:hunter2@h/a/b', /database/],
  ['http://u:hunter2@h/a-b', /database/],
  ['http://u:hunter2@h/r?compress=1', /parameter/],
  ['http://u:hunter2@h/r?compression=gzip', /compression/],
  ['http://u:%hunter2@h/r', /percent-encoded/],
])('%s is refused without a word of its password', (url, reason) => {
  expect(() => parseSettings({ RINGSIDE_CLICKHOUSE_URL: url })).toThrow(reason);
  expect(() => parseSettings({ RINGSIDE_CLICKHOUSE_URL: url })).not.toThrow(/hunter2/);
});

test('an error tells its code and name, the text only where it cannot hold rows, and no password', () => {
  const answer = { status: 500, codeHeader: '27', withRows: true, password: 'hunter2' };
  const parsing = errorOf({
    ...answer,
    text: 'Code: 27. DB::Exception: Cannot parse: prompt. (CANNOT_PARSE_INPUT_ASSERTION_FAILED)',
  });
  expect(parsing.message).toBe('ClickHouse refused it with 27 CANNOT_PARSE_INPUT_ASSERTION_FAILED');
  expect(isRefusal(parsing)).toBe(false);
  const parts = {
    codeHeader: undefined,
    text: 'Code: 252. DB::Exception: Too many parts hunter2. (TOO_MANY_PARTS) (version 26.9)',
  };
  expect(errorOf({ ...answer, ...parts }).message).toBe(
    'ClickHouse refused it with 252 TOO_MANY_PARTS: Too many parts ***. (TOO_MANY_PARTS)',
  );
  const proxy = errorOf({ ...answer, status: 502, codeHeader: undefined, text: '<html>hunter2</html>' });
  expect(proxy.message).toBe("ClickHouse's address answered 502, without an error of ClickHouse's");
  expect(isRefusal(proxy)).toBe(false);
  expect(isRefusal(errorOf({ ...answer, codeHeader: '469', text: '' }))).toBe(true);
  expect(isRefusal(errorOf({ ...answer, status: 413, codeHeader: undefined, text: '' }))).toBe(true);
});
