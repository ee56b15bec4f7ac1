/**
 * What Claude takes, by its generation (Anthropic's pages "Adaptive thinking" and "Migrating to API version 2026-10-21", read 2026-11):
 * up to 4.5 it thinks within a budget only; from 4.6 on it decides itself, guided by an effort; from 4.7 on it refuses budgets, and
 * temperature, top_p and top_k with them. Models of other makers behind this API know budgets and sampling.
 */
const UP_TO_4_5 = /claude-(?:[12]|instant|3|(?:opus|sonnet|haiku)-4(?:-[0-5])?(?:$|[-@](?:\d{8}|latest)))/;
const VERSION_4_6 = /claude-(?:opus|sonnet|haiku)-4-6(?:$|\D)/;

export function takesEffort(model: string): boolean {
  return model.includes('claude-') && !UP_TO_4_5.test(model);
}

export function takesSampling(model: string): boolean {
  return !takesEffort(model) || VERSION_4_6.test(model);
}
