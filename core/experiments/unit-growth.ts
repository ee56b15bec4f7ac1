/**
 * How many different units come in so many days. Units come back, so that a week has fewer than seven days of them: the two numbers that a
 * window gives, U₁ a day on average and U_W in all of its W days, fix a curve
 *
 *     U(d) = U₁ · d^γ,   γ = ln(U_W / U₁) / ln W          (γ = 1: never the same unit; γ = 0: always the same ones)
 *
 * which is exact at one day and at W, and an extrapolation beyond.
 */
export interface UnitGrowth {
  readonly unitsPerDay: number;
  readonly exponent: number;
}

/** Shorter windows do not tell how many come back: then none is taken to. */
const MIN_DAYS = 1.5;

/** @param days of the window, possibly a fraction; `unitDays`: the units of each day, added up */
export function unitGrowth(units: number, unitDays: number, days: number): UnitGrowth | null {
  if (units <= 0 || days <= 0) return null;
  if (days < MIN_DAYS) return { unitsPerDay: units / days, exponent: 1 };
  const unitsPerDay = unitDays / days;
  const exponent = Math.log(units / unitsPerDay) / Math.log(days);
  return { unitsPerDay, exponent: Math.min(1, Math.max(0, exponent)) };
}

/** Units that come in so many days. */
export function unitsIn({ unitsPerDay, exponent }: UnitGrowth, days: number): number {
  return unitsPerDay * days ** exponent;
}

/** Days in which so many units come; null: it would take longer than ten years. */
export function daysFor({ unitsPerDay, exponent }: UnitGrowth, units: number): number | null {
  if (units <= unitsPerDay) return units / unitsPerDay;
  if (exponent === 0) return null;
  const days = (units / unitsPerDay) ** (1 / exponent);
  return days <= 3_650 ? days : null;
}
