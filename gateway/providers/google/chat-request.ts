import type { ModelFacts } from '#translation/chat/provider.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest } from '#translation/chat/request.ts';
import { writeContents, writeSystem } from './contents.ts';
import { writeGenerationConfig, writeServiceTier } from './generation-config.ts';
import { writeToolConfig, writeTools } from './tools.ts';

/**
 * The body of `generateContent` and `streamGenerateContent`, which are the same (Gemini API reference, "Generating content", and the
 * types of the official SDK 3.3, read 2026-11). The model and whether to stream stand in the path.
 */
export function writeRequest(request: ChatRequest, { upstreamModel }: ModelFacts, refusals: Refusals): Buffer {
  for (const { at } of request.extras) refusals.setting(at, 'has no such field');
  const body = {
    systemInstruction: writeSystem(request.system, refusals),
    contents: writeContents(request, upstreamModel, refusals),
    tools: writeTools(request, refusals),
    toolConfig: writeToolConfig(request),
    generationConfig: writeGenerationConfig(request, upstreamModel, refusals),
    serviceTier: writeServiceTier(request, refusals),
  };
  return Buffer.from(JSON.stringify(body));
}
