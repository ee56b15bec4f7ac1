import { parentPort } from 'node:worker_threads';
import { type Schema, type SchemaDraft, Validator } from '@cfworker/json-schema';

/**
 * The thread that checks answers against schemas. Both come from outside: a schema may hold a regular expression that takes for ever, or
 * refer to itself without end. Whoever asks bounds the time and ends this thread; its memory and its stack are bounded too.
 */

/** A question, all of it text: nothing is parsed on the thread that asks. `schema`: null for any JSON. */
export interface WorkerQuestion {
  readonly schema: string | null;
  readonly text: string;
}

/** Null: the schema cannot be used. */
export type WorkerAnswer = boolean | null;

const port = parentPort!;
port.on('message', (question: WorkerQuestion) => port.postMessage(answer(question)));
port.postMessage('ready');

function answer({ schema, text }: WorkerQuestion): WorkerAnswer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false; // an answer that is no JSON has no form
  }
  if (schema === null) return true;
  try {
    const parsed = JSON.parse(schema) as Schema;
    return new Validator(parsed, draftOf(parsed)).validate(value).valid;
  } catch {
    return null; // a reference to nowhere, a regular expression that is none, a schema that goes round in a circle
  }
}

/** The newest one unless a schema names another, as providers have it. */
function draftOf({ $schema }: Schema): SchemaDraft {
  const named = typeof $schema === 'string' ? $schema : '';
  if (named.includes('draft-04')) return '4';
  if (named.includes('draft-06') || named.includes('draft-07')) return '7';
  return named.includes('2019-09') ? '2019-09' : '2020-12';
}
