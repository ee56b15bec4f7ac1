import type { JsonObject } from '../../chat/request.ts';
import { isRecord } from '../../wires/exact-json.ts';

/** Numbers that ProtoJSON writes as texts. */
const COUNTS = new Set(['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties']);
/** Deeper schemas are cut: no provider takes them, and who walks them would run out of stack. */
const MAX_DEPTH = 100;

/**
 * Gemini's Schema (a part of OpenAPI 3.0.3 with types in capitals; "Function calling", read 2026-11) as JSON Schema. `propertyOrdering` becomes the
 * order of the properties. Keywords that it does not name are kept: many callers put JSON Schema there.
 */
export function toJsonSchema(schema: unknown, depth = 0): JsonObject {
  if (!isRecord(schema) || depth > MAX_DEPTH) return {};
  const { nullable, propertyOrdering, property_ordering: snakeOrdering, example, ...rest } = schema;
  const made: Record<string, unknown> = {};
  for (const [spelled, value] of Object.entries(rest)) {
    const name = camel(spelled);
    if (value === null || value === undefined) continue;
    set(made, name, convert(name, value, propertyOrdering ?? snakeOrdering, depth));
  }
  if (example !== undefined) made['examples'] ??= [example];
  return nullable === true ? orNull(made) : made;
}

function convert(name: string, value: unknown, ordering: unknown, depth: number): unknown {
  if (name === 'type') return typeof value === 'string' ? value.toLowerCase() : value;
  if (name === 'items') return toJsonSchema(value, depth + 1);
  if (name === 'anyOf' || name === 'oneOf' || name === 'allOf' || name === 'prefixItems') {
    return Array.isArray(value) ? value.map((item) => toJsonSchema(item, depth + 1)) : value;
  }
  if (name === 'properties' || name === '$defs' || name === 'defs') {
    return isRecord(value) ? convertProperties(value, name === 'properties' ? ordering : [], depth) : value;
  }
  return COUNTS.has(name) && typeof value === 'string' ? Number(value) : value;
}

function convertProperties(properties: JsonObject, ordering: unknown, depth: number): JsonObject {
  const first = Array.isArray(ordering) ? ordering.filter((name) => Object.hasOwn(properties, String(name))) : [];
  const names = new Set([...first.map(String), ...Object.keys(properties)]);
  const made: Record<string, unknown> = {};
  for (const name of names) set(made, name, toJsonSchema(properties[name], depth + 1));
  return made;
}

function orNull(schema: Record<string, unknown>): JsonObject {
  const { type } = schema;
  if (typeof type !== 'string') return { anyOf: [schema, { type: 'null' }] };
  // A list of allowed values would keep null out.
  const values = schema['enum'];
  return { ...schema, type: [type, 'null'], ...(Array.isArray(values) ? { enum: [...values, null] } : {}) };
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** An own property, whatever its name: "__proto__" too. */
function set(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}
