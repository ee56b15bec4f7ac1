import { describe, expect, test } from 'vitest';
import { toJsonSchema } from '#translation/dialects/gemini/open-api-schema.ts';
import { parsePath, withoutKey } from '#translation/dialects/gemini/path.ts';

describe('Gemini’s schemas', () => {
  test('become JSON Schema', () => {
    const schema = {
      type: 'OBJECT',
      required: ['a'],
      propertyOrdering: ['b', 'a'],
      properties: {
        a: { type: 'STRING', nullable: true, enum: ['x'], maxLength: '3', example: 'x' },
        b: { any_of: [{ type: 'NUMBER' }, { type: 'BOOLEAN' }], nullable: true },
      },
    };
    const made = toJsonSchema(schema);
    expect(made).toEqual({
      type: 'object',
      required: ['a'],
      properties: {
        a: { type: ['string', 'null'], enum: ['x', null], maxLength: 3, examples: ['x'] },
        b: { anyOf: [{ anyOf: [{ type: 'number' }, { type: 'boolean' }] }, { type: 'null' }] },
      },
    });
    expect(Object.keys(made['properties'] as object)).toEqual(['b', 'a']);
  });

  test('may be JSON Schema already, with any names of properties', () => {
    const schema = JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"string"},"snake_case":{"type":"integer"}}}',
    );
    expect(JSON.stringify(toJsonSchema(schema))).toBe(JSON.stringify(schema));
  });
});

describe('Gemini’s paths', () => {
  test('name the group, the method and the framing', () => {
    expect(parsePath('/v1beta/models/my%2Dgroup:generateContent', '')).toEqual({
      method: 'generateContent',
      target: { model: 'my-group', stream: false, framing: 'sse', isBatch: false },
      queryKey: null,
    });
    expect(parsePath('/v1/models/a:b:streamGenerateContent', 'key=k%2B1&alt=sse')).toMatchObject({
      target: { model: 'a:b', stream: true, framing: 'sse' },
      queryKey: 'k+1',
    });
    expect(parsePath('/v1beta/models/g:streamGenerateContent', '')?.target.framing).toBe('json-array');
    expect(parsePath('/v1beta/models/g:batchEmbedContents', '')?.target.isBatch).toBe(true);
    for (const path of [
      '/v1/models/llama3:8b',
      '/v1beta/models/g',
      '/v1beta/models/a/b:generateContent',
      '/v1beta/models/%ff:countTokens',
    ]) {
      expect(parsePath(path, '')).toBeNull();
    }
  });

  test('lose the key before they are shown', () => {
    expect(withoutKey('alt=sse&key=secret')).toBe('alt=sse');
    expect(withoutKey('%6bey=secret&alt=sse')).toBe('alt=sse');
    expect(withoutKey('alt=sse')).toBe('alt=sse');
  });
});
