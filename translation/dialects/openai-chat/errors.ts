export { errorBody, errorEvent } from '../openai-errors.ts';
