import { describe, expect, test } from 'vitest';
import { formType, readBoundary, scanForm } from '#core/form-scan.ts';

const B = 'AaB03x';
const scan = (text: string, names = ['model', 'stream']) => scanForm(Buffer.from(text, 'latin1'), B, names);
/** A form of parts given by head and value. */
const form = (...parts: string[]) => `${parts.map((part) => `--${B}\r\n${part}\r\n`).join('')}--${B}--\r\n`;
const MODEL = 'Content-Disposition: form-data; name="model"\r\n\r\ngroup';
const FILE =
  'Content-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\n\xff\xfb\r\n--\r\n';

describe('the boundary', () => {
  test.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data;boundary="a?=:b"', 'a?=:b'],
    ['multipart/form-data ; charset=UTF-8 ; BOUNDARY=----x ', '----x'],
    ['multipart/form-data; boundary="abc"', 'abc'],
  ])('of %s', (type, boundary) => {
    expect(readBoundary(type)).toEqual({ kind: 'boundary', boundary });
    expect(readBoundary(formType(boundary))).toEqual({ kind: 'boundary', boundary });
  });

  test.each([
    undefined,
    '',
    'application/json',
    'multipart/mixed; boundary=a',
    'multipart/form-datax; boundary=a',
  ])('is none in %s', (type) => expect(readBoundary(type)).toEqual({ kind: 'other' }));

  test.each([
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=""',
    'multipart/form-data; boundary=a; boundary=b',
    'multipart/form-data; boundary=a; Boundary=a',
    'multipart/form-data; boundary=a; x=y',
    'multipart/form-data; boundary=a; charset=utf-16',
    'multipart/form-data; boundary=a, multipart/form-data; boundary=b',
    "multipart/form-data; boundary*=utf-8''a",
    'multipart/form-data; boundary*0=a',
    'multipart/form-data; boundary="a\\"b"',
    'multipart/form-data; boundary="a b"',
    'multipart/form-data; boundary=a:b',
    'multipart/form-data; boundary=a b',
    'multipart/form-data; boundary=a;',
    'multipart/form-data; boundary = a',
    `multipart/form-data; boundary=${'a'.repeat(71)}`,
    'multipart/form-data, boundary=a',
  ])('cannot be read in %s', (type) => expect(readBoundary(type).kind).not.toBe('boundary'));
});

describe('a form', () => {
  test('says where its fields lie', () => {
    const text = form(
      FILE,
      MODEL,
      'Content-Disposition:form-data;name=stream\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\n',
    );
    const result = scan(text);
    if (result.kind !== 'ok') throw new Error(result.message);
    const [model, stream] = result.fields;
    expect(text.slice(model!.value.start, model!.value.end)).toBe('group');
    expect(text.slice(model!.part.start, model!.part.end)).toBe(MODEL);
    expect(stream!.value.end).toBe(stream!.value.start);
    expect(scan(form(FILE))).toEqual({ kind: 'ok', fields: [undefined, undefined] });
    expect(scan(`--${B}--`)).toEqual({ kind: 'ok', fields: [undefined, undefined] });
  });

  test.each([
    ['twice', form(MODEL, MODEL)],
    ['in another case', form(MODEL, MODEL.replace('"model"', '"MODEL"'))],
    ['with blanks', form(MODEL.replace('"model"', '" model"'))],
    ['as a list', form(MODEL.replace('"model"', '"model[]"'))],
    ['with an index', form(MODEL, MODEL.replace('"model"', '"model[0]"'))],
    ['in brackets', form(MODEL, MODEL.replace('"model"', '"[model]"'))],
    ['with something in it', form(MODEL, MODEL.replace('"model"', '"model.name"'))],
    ['as a file', form(MODEL.replace('"model"', '"model"; filename="x"'))],
    ['as a file by an extended name', form(MODEL.replace('"model"', '"model"; filename*=utf-8\'\'x'))],
    ['of a type', form(MODEL.replace('\r\n\r\n', '\r\nContent-Type: application/json\r\n\r\n'))],
    [
      'in another character set',
      form(MODEL.replace('\r\n\r\n', '\r\nContent-Type: text/plain; charset=utf-16\r\n\r\n')),
    ],
    ['encoded', form(MODEL.replace('\r\n\r\n', '\r\nContent-Transfer-Encoding: base64\r\n\r\n'))],
  ])('with its model %s is bad, and says which part', (_what, text) => {
    expect(scan(text)).toMatchObject({ kind: 'bad', param: 'model' });
  });

  test.each([
    ['', ''],
    ['a preamble', `\r\n${form(MODEL)}`],
    ['an epilogue', `${form(MODEL)}more`],
    ['no end', form(MODEL).replace(`--${B}--\r\n`, '')],
    ['half an end', form(MODEL).replace(`--${B}--\r\n`, `--${B}-`)],
    [
      'a blank behind a boundary',
      form(MODEL, FILE).replace(`--${B}\r\nContent-Disposition: form-data; name="file"`, `--${B} \r\nX`),
    ],
    ['LF', form(MODEL).replaceAll('\r\n', '\n')],
    ['LF before a boundary', form(FILE, MODEL).replace(`\r\n--${B}\r\n`, `\n--${B}\r\n`)],
    ['the boundary inside of a part', form(FILE.replace('\xff', `--${B}`), MODEL)],
    ['a longer boundary', form(FILE.replace('\xff', `\r\n--${B}x`), MODEL)],
    ['no head', form('\r\nvalue', MODEL)],
    ['a head without its end', form('Content-Disposition: form-data; name="a"', MODEL)],
    ['a head without a disposition', form('Content-Type: text/plain\r\n\r\nx', MODEL)],
    ['two dispositions', form(`Content-Disposition: form-data; name="a"\r\n${MODEL}`)],
    ['a folded line', form(MODEL.replace('; name', ';\r\n name'))],
    ['LF inside of a head', form(MODEL.replace('; name', ';\n name'))],
    ['a blank before the colon', form(MODEL.replace('Disposition:', 'Disposition :'))],
    ['another disposition', form(MODEL.replace('form-data', 'attachment'))],
    ['no name', form('Content-Disposition: form-data; filename="a"\r\n\r\nx', MODEL)],
    ['two names', form('Content-Disposition: form-data; name="a"; name="model"\r\n\r\nx', MODEL)],
    ['an extended name', form('Content-Disposition: form-data; name="a"; name*=utf-8\'\'model\r\n\r\nx', MODEL)],
    ['a name in pieces', form('Content-Disposition: form-data; name*0="mo"; name*1="del"\r\n\r\nx', MODEL)],
    ['an escaped name', form('Content-Disposition: form-data; name="mod\\el"\r\n\r\nx', MODEL)],
    ['an encoded name', form('Content-Disposition: form-data; name="mod%65l"\r\n\r\nx', MODEL)],
    ['a name that is not closed', form('Content-Disposition: form-data; name="model\r\n\r\nx', MODEL)],
    ['a name with NUL', form('Content-Disposition: form-data; name="model\0"\r\n\r\nx', MODEL)],
    ['an escape in the name of a file', form(FILE.replace('a.mp3', 'a\\"; name=\\"model'), MODEL)],
    ['a semicolon in the name of a file', form(FILE.replace('a.mp3', 'a; name=model'), MODEL)],
    ['parts in a part', form(FILE.replace('audio/mpeg', 'multipart/mixed; boundary=x'), MODEL)],
    ['a name in the type', form(FILE.replace('audio/mpeg', 'audio/mpeg; name="model"'), MODEL)],
    ['another header', form(FILE.replace('\r\n\r\n', '\r\nX-Name: model\r\n\r\n'), MODEL)],
    ['another character set', form('Content-Disposition: form-data; name="_charset_"\r\n\r\nutf-16', MODEL)],
    ['a head that is too long', form(FILE.replace('a.mp3', 'a'.repeat(9_000)), MODEL)],
    ['too many parts', form(...Array.from({ length: 257 }, () => FILE))],
  ])('with %s is bad', (_what, text) => expect(scan(text).kind).toBe('bad'));

  test('as OkHttp and Apache HttpClient write them is read', () => {
    const okHttp = 'Content-Disposition: form-data; name="model"\r\nContent-Length: 5\r\n\r\ngroup';
    const apache =
      'Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n' +
      'Content-Transfer-Encoding: 8bit\r\n\r\ngroup';
    for (const part of [okHttp, apache]) expect(scan(form(part)).kind).toBe('ok');
  });
});
