import { BUCKETS } from './split/bucket.ts';

export const ROLES = ['champion', 'challenger', 'shadow', 'fallback'] as const;
export type Role = (typeof ROLES)[number];

/** One requested membership of a group. */
export interface VariantSpec {
  readonly model: string;
  readonly role: Role;
  readonly weightBp: number;
}

/** What is wrong with a list of variants: the path of the field at fault and a sentence that says how to mend it. */
export interface WeightIssue {
  readonly field: string;
  readonly message: string;
}

/** Whether a role takes part in the split. Shadows and fallbacks never do. */
export function isAssigned(role: Role): boolean {
  return role === 'champion' || role === 'challenger';
}

/**
 * Checks a group's variants: integer basis points, exactly one champion, no model twice, weight only on assigned roles,
 * sum 10 000. An empty list is allowed (a group that is not ready yet). Returns every issue found.
 */
export function checkVariants(variants: readonly VariantSpec[], path = 'variants'): WeightIssue[] {
  const issues: WeightIssue[] = [];
  const seen = new Set<string>();
  variants.forEach((variant, index) => {
    const at = `${path}[${index}]`;
    if (seen.has(variant.model)) {
      issues.push({ field: `${at}.model`, message: `model "${variant.model}" is listed twice; list each model once` });
    }
    seen.add(variant.model);
    if (!Number.isInteger(variant.weightBp) || variant.weightBp < 0 || variant.weightBp > BUCKETS) {
      issues.push({
        field: `${at}.weightBp`,
        message: `must be an integer number of basis points from 0 to ${BUCKETS}, got ${variant.weightBp}`,
      });
    } else if (!isAssigned(variant.role) && variant.weightBp !== 0) {
      issues.push({
        field: `${at}.weightBp`,
        message: `a ${variant.role} takes no part in the split; its weight is 0`,
      });
    }
  });
  if (variants.length === 0 || issues.length > 0) return issues;
  const champions = variants.filter((variant) => variant.role === 'champion').length;
  if (champions !== 1) {
    issues.push({ field: path, message: `exactly one variant must have the role champion, got ${champions}` });
  }
  const sum = variants.reduce((total, variant) => total + variant.weightBp, 0);
  if (sum !== BUCKETS) {
    issues.push({ field: path, message: `weightBp must sum to ${BUCKETS} (100 %), got ${sum}` });
  }
  return issues;
}
