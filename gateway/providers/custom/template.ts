import type { PickName } from '#core/custom-provider.ts';

/** What a pick stands for; undefined where the caller gave nothing. */
export type Values = (name: PickName) => unknown;

/** A template made ready: gives its value, or {@link ABSENT}. */
type Filled = (values: Values) => unknown;

/** A value that is left out, with its key. */
const ABSENT = Symbol('absent');

export interface Template {
  readonly picks: ReadonlySet<PickName>;
  fill(values: Values): unknown;
}

/** Compiles a template that `customProviderSchema` has checked. */
export function compileTemplate(template: unknown): Template {
  const picks = new Set<PickName>();
  const root = compile(template, picks);
  return { picks, fill: root };
}

function compile(template: unknown, picks: Set<PickName>): Filled {
  if (Array.isArray(template)) {
    const items = template.map((item) => compile(item, picks));
    return (values) => items.map((item) => item(values)).filter((value) => value !== ABSENT);
  }
  if (typeof template !== 'object' || template === null) return () => template;
  if ('$literal' in template) return () => template.$literal;
  const { $from: name, $else: otherwise = ABSENT } = template as {
    readonly $from?: PickName;
    readonly $else?: unknown;
  };
  if (name !== undefined) {
    picks.add(name);
    return (values) => values(name) ?? otherwise;
  }
  const fields = Object.entries(template).map(([key, value]) => [key, compile(value, picks)] as const);
  return (values) =>
    Object.fromEntries(
      fields.map(([key, field]) => [key, field(values)] as const).filter(([, value]) => value !== ABSENT),
    );
}
