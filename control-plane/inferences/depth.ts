/** What is nested deeper is not shown as JSON: writing it out would overflow the stack. */
const MAX_SHOWN_DEPTH = 200;

/** Whether a parsed JSON value is nested at most so deep. */
export function isShallow(value: unknown, depthLeft = MAX_SHOWN_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depthLeft > 0 && Object.values(value).every((item) => isShallow(item, depthLeft - 1));
}
