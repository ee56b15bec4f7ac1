import type { RequestTarget } from '../../chat/dialect.ts';
import type { ChatRequest, Extra } from '../../chat/request.ts';
import { parseExact } from '../../wires/exact-json.ts';
import { bad, Fields } from './fields.ts';
import { readGenerationConfig } from './read-config.ts';
import { readContents, readSystem } from './read-contents.ts';
import { readToolConfig, readTools } from './read-tools.ts';

/**
 * Reads the body of `generateContent` and `streamGenerateContent` (Gemini API reference, "Generating content", and the types of the official
 * SDK 3.3, read 2026-11). The group and whether to stream come from the path (see path.ts).
 */
export function readRequest(bytes: Buffer, target: RequestTarget): ChatRequest {
  const body = new Fields(parse(bytes), '');
  const extras: Extra[] = [];
  checkModel(body, target);
  const { choice, isStrict, at } = readToolConfig(body, extras);
  const tools = readTools(body, isStrict, extras);
  const system = readSystem(body.fields('systemInstruction'), extras);
  const messages = readContents(body, extras);
  const { settings, spelling } = readGenerationConfig(body.fields('generationConfig'), extras);
  const serviceTier = body.string('serviceTier');
  const tierAt = body.where('serviceTier');
  body.rest(extras);
  return {
    model: target.model ?? '',
    stream: target.stream ?? false,
    streamUsage: true,
    system,
    messages,
    tools,
    settings: { ...settings, toolChoice: choice, serviceTier },
    spelling: {
      ...spelling,
      ...(choice === null ? {} : { toolChoice: at }),
      ...(serviceTier === null ? {} : { serviceTier: tierAt }),
    },
    extras,
  };
}

/** The path names the model; a body that names another one as well is not to be guessed at. */
function checkModel(body: Fields, target: RequestTarget): void {
  const model = body.string('model');
  if (model !== null && model.replace(/^models\//, '') !== target.model) {
    throw bad(body.where('model'), 'names another model than the path');
  }
}

function parse(bytes: Buffer): unknown {
  try {
    return parseExact(bytes.toString('utf8'));
  } catch {
    throw bad('', 'must be one JSON object');
  }
}
