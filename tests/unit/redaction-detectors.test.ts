import { describe, expect, test } from 'vitest';
import { hasLuhnDigit, isCardNumber } from '#core/redaction/card.ts';
import { hasIbanCheck } from '#core/redaction/iban.ts';
import { compileRedactor } from '#core/redaction/redactor.ts';

type Detector = 'email' | 'phone' | 'card' | 'iban';
const redactWith = (...detectors: Detector[]) => compileRedactor({ detectors, paths: [], patterns: [] })!.text;
const all = redactWith('email', 'phone', 'card', 'iban');

describe('e-mail addresses', () => {
  test.each([
    'alice@example.com',
    'a.b+c_d-e@mail.example.co.uk',
    "o'brien@example.ie",
    'ALICE@EXAMPLE.COM',
    'müller@bücher.example',
    'alice%40example.com',
    'alice\uff20example.com',
    'x@xn--bcher-kva.xn--p1ai',
    `${'l'.repeat(64)}@example.com`,
    '用户@例子.广告',
  ])('%s', (address) => {
    for (const text of [
      address,
      `(${address})`,
      `<${address}>`,
      `mail ${address}.`,
      `${address}, or`,
      `"${address}"`,
    ]) {
      expect(redactWith('email')(text)).toBe(text.replace(address, '[redacted:email]'));
    }
  });

  test.each([
    ['?mail=alice@example.com&x=1', '?mail=[redacted:email]&x=1'],
    ['mailto:alice@example.com', 'mailto:[redacted:email]'],
    ['`alice@example.com`', '`[redacted:email]`'],
    ['a@b.example,c@d.example', '[redacted:email],[redacted:email]'],
    ['alice@example.com.2', '[redacted:email].2'],
    ['alice@example.com...', '[redacted:email]...'],
    ['我的邮箱是alice@example.com谢谢', '我的邮箱是[redacted:email]谢谢'],
  ])('%s', (text, kept) => expect(redactWith('email')(text)).toBe(kept));

  test.each([
    '@mention',
    'a @ b',
    'alice@localhost',
    'lib@1.2.3',
    '@',
    'alice@',
    'x@y.1',
    '50% @ 3.5',
  ])('leaves %s', (text) => expect(redactWith('email')(text)).toBe(text));

  test('texts made to be slow are not', () => {
    for (const text of ['a'.repeat(300_000), '@'.repeat(300_000), 'a@'.repeat(150_000), `@${'a.'.repeat(150_000)}`]) {
      const start = performance.now();
      redactWith('email')(text);
      expect(performance.now() - start).toBeLessThan(3_000);
    }
  });
});

describe('telephone numbers', () => {
  test.each([
    '+49 30 1234567',
    '+491701234567',
    '+1 (415) 555-2671',
    '+44 (0)20 7946 0958',
    '+33 1 23 45 67 89',
    '+41-44-668-18-00',
    '00491701234567',
    '0049 170 1234567',
    '(415) 555-2671',
    '(415)555-2671',
    '415-555-2671',
    '415.555.2671',
    '415 555 2671',
    '1-415-555-2671',
    '030 1234567',
    '0171 234 5678',
    '0171/2345678',
    '(030) 123456-78',
    '06 12 34 56 78',
    '01712345678',
    '07911 123456',
    '+49\u00a0170\u00a01234567',
  ])('%s', (number) => {
    for (const text of [
      number,
      `call ${number} now`,
      `tel:${number}`,
      `${number}.`,
      `(${number})`,
      `phone=${number}&x`,
    ]) {
      expect(redactWith('phone')(text)).toBe(text.replace(number, '[redacted:phone]'));
    }
  });

  test('two behind each other', () =>
    expect(redactWith('phone')('030 1234567 0171 2345678')).toBe('[redacted:phone] [redacted:phone]'));

  test.each([
    '1732500000', // seconds
    '1732500000123', // milliseconds
    '2024-11-25T10:00:00.123456Z',
    '2024-11-25 10:00:00',
    '31.12.2024',
    '01-12-2024 10:30',
    '05/06/2024',
    '550e8400-e29b-41d4-a716-446655440000',
    '018f3c5e-0000-7000-8000-000000000001',
    '192.168.100.100',
    '3.14159265358979',
    '0.0123456789',
    '1+12345678',
    'order 5551234567',
    'chatcmpl-0123456789',
    '1 000 000 000',
    '12345-6789',
    '+123456789012345678901',
  ])('leaves %s', (text) => expect(redactWith('phone')(text)).toBe(text));
});

describe('card numbers', () => {
  // Test numbers that the schemes and payment providers publish.
  const known = [
    '4111111111111111',
    '4012888888881881',
    '4222222222222',
    '5555555555554444',
    '2223003122003222',
    '378282246310005',
    '371449635398431',
    '6011111111111117',
    '30569309025904',
    '3530111333300000',
    '6200000000000005',
    '6304000000000000',
    '2200000000000004',
  ];

  test.each(known)('%s', (number) => {
    const groups = number.match(/.{1,4}/g)!;
    expect(isCardNumber(number)).toBe(true);
    for (const written of [number, groups.join(' '), groups.join('-'), groups.join('\u00a0')]) {
      for (const text of [written, `PAN${written}`, `card: ${written}, 12/27`, `${written} 12 27 123`]) {
        expect(redactWith('card')(text)).toBe(text.replace(written, '[redacted:card]'));
      }
    }
  });

  test('one digit changed is no card, nor is an unknown prefix or length', () => {
    for (const number of known) {
      for (let at = 0; at < number.length; at++) {
        const changed = number.slice(0, at) + ((Number(number[at]) + 1) % 10) + number.slice(at + 1);
        expect(hasLuhnDigit(changed)).toBe(false);
        expect(isCardNumber(changed)).toBe(false);
      }
    }
    for (const text of [
      '0000000000000000',
      '1234567812345670',
      '9111111111111111',
      '411111111111',
      '41111111111111111',
    ]) {
      expect(redactWith('card')(text)).toBe(text);
    }
  });

  test.each([
    '0.4111111111111111',
    '1732500000123',
    '1732500000123456',
    '1732500000123456789',
    'x'.repeat(30),
  ])('leaves %s', (text) => expect(redactWith('card')(text)).toBe(text));
});

describe('IBANs', () => {
  // Examples of the SWIFT registry.
  const known = [
    'DE89370400440532013000',
    'GB29NWBK60161331926819',
    'FR1420041010050500013M02606',
    'NO9386011117947',
    'MT84MALT011000012345MTLCAST001S',
    'CH9300762011623852957',
    'BR1800360305000010009795493C1',
    'SA0380000000608010167519',
    'LC55HEMM000100010012001200023015',
  ];

  test.each(known)('%s', (iban) => {
    expect(hasIbanCheck(iban)).toBe(true);
    const groups = iban.match(/.{1,4}/g)!;
    for (const written of [iban, groups.join(' '), groups.join('-'), iban.toLowerCase(), groups.join('\u00a0')]) {
      for (const text of [written, `IBAN${written}`, `IBAN: ${written}.`, `${written} BIC X`]) {
        expect(redactWith('iban')(text)).toBe(text.replace(written, '[redacted:iban]'));
      }
    }
  });

  test('one digit changed, a wrong length, an unknown country', () => {
    for (const text of ['DE89370400440532013001', 'DE8937040044053201300', 'XX89370400440532013000', 'DE893704']) {
      expect(redactWith('iban')(text)).toBe(text);
    }
  });
});

test('what overlaps is replaced once, and only what was asked for', () => {
  expect(all('4111 1111 1111 1111 and a@b.example')).toBe('[redacted:card] and [redacted:email]');
  expect(redactWith('card')('a@b.example 4111111111111111')).toBe('a@b.example [redacted:card]');
  expect(all('')).toBe('');
});

test('escapes in JSON that is text hide nothing, and stay where there is nothing', () => {
  expect(all('{"mail":"alice\\u0040example.com"')).toBe('{"mail":"[redacted:email]"');
  expect(all('caf\\u00e9 \\u0041')).toBe('caf\\u00e9 \\u0041');
});
