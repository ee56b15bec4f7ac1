const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `90s`, `10m`, `1h30m`, `250ms`, `2d`. @returns integer milliseconds, or undefined for anything else */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    totalMs += Number(amount) * UNIT_MS[unit!]!;
  }
  return Number.isInteger(totalMs) ? totalMs : undefined;
}

/** Reads `5%`, `2.5%` or `250bp`. @returns integer basis points, or undefined for anything else */
export function parseWeight(text: string): number | undefined {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(%|bp)$/.exec(text) ?? [];
  if (amount === undefined) return undefined;
  // 0.57 × 100 is no integer in binary.
  const weightBp = Math.round(Number(amount) * (unit === '%' ? 10_000 : 100)) / 100;
  return Number.isInteger(weightBp) ? weightBp : undefined;
}

/** Reads `1%` or `0.01`. @returns a share, or undefined for anything else */
export function parseShare(text: string): number | undefined {
  const [, amount, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  if (amount === undefined) return undefined;
  return percent === '%' ? Number((Number(amount) / 100).toPrecision(12)) : Number(amount);
}

/** 5_400_000 as `1h30m`. */
export function formatDuration(ms: number): string {
  let left = Math.max(0, Math.round(ms));
  const parts: string[] = [];
  for (const [unit, size] of Object.entries(UNIT_MS).toReversed()) {
    const amount = Math.floor(left / size);
    left -= amount * size;
    if (amount > 0) parts.push(`${amount}${unit}`);
  }
  return parts.length === 0 ? '0s' : parts.slice(0, 2).join('');
}

/** 250 as `2.5 %`. */
export function formatWeight(weightBp: number): string {
  return `${weightBp / 100} %`;
}
