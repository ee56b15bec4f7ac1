export { readError } from '../../wires/openai/errors.ts';
