import { canonicalJson } from './canonical-json.ts';

/** A call of a tool, as a model asked for it. `arguments`: JSON text. */
export interface ToolCall {
  readonly name: string;
  readonly arguments: string;
}

/**
 * How far two answers call the same tools with the same arguments, in [0, 1]: twice the calls that are in both, divided by the calls of
 * both. The order of calls makes no difference: they may be made at once. Null when neither calls any.
 */
export function toolCallAgreement(one: readonly ToolCall[], other: readonly ToolCall[]): number | null {
  const calls = one.length + other.length;
  if (calls === 0) return null;
  const left = new Map<string, number>();
  for (const call of one) left.set(keyOf(call), (left.get(keyOf(call)) ?? 0) + 1);
  let common = 0;
  for (const call of other) {
    const key = keyOf(call);
    const open = left.get(key) ?? 0;
    if (open === 0) continue;
    left.set(key, open - 1);
    common++;
  }
  return (2 * common) / calls;
}

function keyOf({ name, arguments: given }: ToolCall): string {
  // No arguments are no fields: some models write nothing, some an empty object.
  return `${JSON.stringify(name)}${given.trim() === '' ? '{}' : canonicalJson(given)}`;
}
