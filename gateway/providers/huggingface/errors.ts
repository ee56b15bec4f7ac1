/** The router's errors are OpenAI's or `{error: text}`, TGI's are `{error: text, error_type}`: the wire's reader knows them all. */
export { readError } from '#translation/wires/openai/errors.ts';
