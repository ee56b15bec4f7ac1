/** The field's name and white space around its colon. */
const MAX_FIELD_BYTES = 64;

/**
 * Says of a body whether it holds thoughts that another provider signed: a conversation that another variant of the group began. `mark` is how
 * a value begins, its quote included, in which the gateway has packed such a signature; `field` ends in the name that holds it. One search of
 * the bytes where there is none; a text that only looks like it is not taken for one.
 */
export function foreignMarks(mark: string, field: RegExp): (body: Buffer) => boolean {
  return (body) => {
    for (let at = body.indexOf(mark); at !== -1; at = body.indexOf(mark, at + mark.length)) {
      if (field.test(body.toString('latin1', Math.max(0, at - MAX_FIELD_BYTES), at))) return true;
    }
    return false;
  };
}
