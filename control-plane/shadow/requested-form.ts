import { RingsideError } from '#core/errors.ts';
import type { DialectName } from '#core/names.ts';
import type { ChatDialect, RequestTarget } from '#translation/chat/dialect.ts';
import type { ChatRequest, JsonObject } from '#translation/chat/request.ts';
import { anthropicDialect } from '#translation/dialects/anthropic/dialect.ts';
import { geminiDialect } from '#translation/dialects/gemini/dialect.ts';
import { openaiChatDialect } from '#translation/dialects/openai-chat/dialect.ts';
import { openaiResponsesDialect } from '#translation/dialects/openai-responses/dialect.ts';
import { isShallow } from '../inferences/depth.ts';
import type { Said } from './said.ts';
import type { SchemaQuestion } from './schema-checker.ts';

/** The form that a request asked its answer to have. `schema`: null for any JSON. */
export interface RequestedForm {
  readonly schema: JsonObject | null;
  /** The tool that had to be called, whose arguments have the form; null: the text has it. */
  readonly tool: string | null;
}

const DIALECTS: Readonly<Partial<Record<DialectName, ChatDialect>>> = {
  'openai-chat': openaiChatDialect,
  'openai-responses': openaiResponsesDialect,
  anthropic: anthropicDialect,
  gemini: geminiDialect,
};
/** Some dialects name the model in the path, which is not captured; the group's name is no part of the form. */
const TARGET: RequestTarget = { model: 'recorded', stream: false, framing: 'sse' };

/** What form a captured request asked for: a response format, or else the tool that it forced. Null: none, or it cannot be read. */
export function requestedFormOf(dialect: string, request: Buffer): RequestedForm | null {
  const chat = readChat(dialect, request);
  if (chat === null) return null;
  const { output, toolChoice } = chat.settings;
  if (output !== null) return { schema: output.kind === 'json' ? null : output.schema, tool: null };
  if (toolChoice?.kind !== 'tool') return null;
  const tool = chat.tools.find(({ name }) => name === toolChoice.name);
  return tool?.parameters == null ? null : { schema: tool.parameters, tool: tool.name };
}

/**
 * What is to be checked of an answer. False: it cannot have the form, since the forced tool was not called. Null: there is nothing to
 * check, since a tool was called in place of an answer.
 */
export function questionOf(form: RequestedForm, { text, toolCalls }: Said): SchemaQuestion | false | null {
  if (form.tool === null) return text === '' && toolCalls.length > 0 ? null : { schema: form.schema, text };
  const call = toolCalls.find(({ name }) => name === form.tool);
  return call === undefined ? false : { schema: form.schema, text: call.arguments };
}

function readChat(dialect: string, request: Buffer): ChatRequest | null {
  const reader = Object.hasOwn(DIALECTS, dialect) ? DIALECTS[dialect as DialectName] : undefined;
  const body = reader === undefined ? null : parseBody(request);
  if (reader === undefined || body === null) return null;
  try {
    const { model: _model, ...rest } = body;
    return reader.readRequest(Buffer.from(JSON.stringify(rest)), TARGET);
  } catch (reason) {
    // What we do not understand, a provider may have understood all the same.
    if (reason instanceof RingsideError) return null;
    throw reason;
  }
}

function parseBody(request: Buffer): JsonObject | null {
  let body: unknown;
  try {
    body = JSON.parse(request.toString('utf8'));
  } catch {
    return null; // redaction may have left a label where the body was
  }
  return isShallow(body) && typeof body === 'object' && body !== null && !Array.isArray(body)
    ? (body as JsonObject)
    : null;
}
