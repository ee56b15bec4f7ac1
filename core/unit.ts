import { RingsideError } from './errors.ts';

const MAX_UNIT_LENGTH = 1_024;

/**
 * A text that assignment may stick to: stored with the inference, so it must come back out of the store unchanged.
 * @returns the unit, or null for an empty one
 * @throws bad_request naming `param` when it is too long or cannot be stored
 */
export function checkUnit(unit: string, param: string): string | null {
  if (unit === '') return null;
  if (unit.length > MAX_UNIT_LENGTH) {
    throw new RingsideError('bad_request', `"${param}" is longer than ${MAX_UNIT_LENGTH} characters.`, { param });
  }
  if (unit.includes('\0') || !unit.isWellFormed()) {
    throw new RingsideError('bad_request', `"${param}" holds NUL or half of a surrogate pair.`, { param });
  }
  return unit;
}
