import { leaveOutCacheMarks } from '../../chat/cache-marks.ts';
import type { ModelFacts } from '../../chat/provider.ts';
import type { Refusals } from '../../chat/refusals.ts';
import type { ChatRequest, Tool } from '../../chat/request.ts';
import { writeMessages } from './messages.ts';
import type { OpenAiServer } from './server.ts';
import { writeSettings } from './settings.ts';

/** The body of a chat completions request as an object, for servers that want something added to it. Extras are refused before. */
export function writeBody(
  request: ChatRequest,
  model: ModelFacts,
  refusals: Refusals,
  server: OpenAiServer,
): Record<string, unknown> {
  leaveOutCacheMarks(request, refusals);
  const body: Record<string, unknown> = {
    model: model.upstreamModel,
    messages: writeMessages(request, server, refusals),
    ...(request.tools.length === 0 ? {} : { tools: request.tools.map((tool) => writeTool(tool, server, refusals)) }),
    ...writeSettings(request, server, refusals),
  };
  if (request.stream) {
    body['stream'] = true;
    // The log wants it, whether or not the caller does.
    if (server.streamUsage) body['stream_options'] = { include_usage: true };
  }
  return body;
}

/** The body of a chat completions request for one server. */
export function writeRequest(
  request: ChatRequest,
  model: ModelFacts,
  refusals: Refusals,
  server: OpenAiServer,
): Buffer {
  return Buffer.from(JSON.stringify(writeBody(request, model, refusals, server)));
}

/** A tool as `tools` has it. */
export function writeTool(
  { at, name, description, parameters, strict }: Tool,
  server: OpenAiServer,
  refusals: Refusals,
): object {
  if (strict === true && !server.strict) refusals.setting(`${at}.strict`, 'does not hold calls to their schema');
  return {
    type: 'function',
    function: {
      name,
      ...(description === null ? {} : { description }),
      ...(parameters === null ? {} : { parameters }),
      ...(strict === null || !server.strict ? {} : { strict }),
    },
  };
}
