export { readError } from '#translation/wires/openai/errors.ts';
