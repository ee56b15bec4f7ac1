/** Node reads header bytes as Latin-1; applications send UTF-8, and the same text must be the same as in the body. */
export function headerText(value: string): string {
  return /[\x80-\xff]/.test(value) ? Buffer.from(value, 'latin1').toString('utf8') : value;
}
