import type { AudioPart, DocumentPart, ImagePart, VideoPart } from '../../chat/parts.ts';
import type { Refusals } from '../../chat/refusals.ts';
import type { REASONING_EFFORTS, Setting } from '../../chat/request.ts';

export type ReasoningEffort = (typeof REASONING_EFFORTS)[number];

/** A user's part that is no text and no tool result. */
export type MediaPart = ImagePart | DocumentPart | AudioPart | VideoPart;

/** What one server of OpenAI's chat completions API knows, and how it spells it. */
export interface OpenAiServer {
  /** The settings that it knows, each with its key. What is missing here is refused. */
  readonly keys: Readonly<Partial<Record<Setting, string>>>;
  readonly systemRole: 'system' | 'developer';
  /** Whether content may be a list of parts; else texts are joined by line ends, and all other content is refused. */
  readonly contentParts: boolean;
  /** Whether `stream_options.include_usage` is known. */
  readonly streamUsage: boolean;
  /** How "some tool must be called" is said. */
  readonly requiredToolChoice: 'required' | 'any';
  /** Whether a choice may be limited to some of the tools (`allowed_tools`). */
  readonly allowedTools: boolean;
  /** Whether functions and schemas take `strict`. */
  readonly strict: boolean;
  readonly outputs: ReadonlySet<'json' | 'json_schema'>;
  /** Weakest first. Empty: thinking cannot be set by an effort. */
  readonly efforts: readonly ReasoningEffort[];
  /** Whether its answers show thoughts. */
  readonly showsReasoning: boolean;
  /** The field of an assistant's message that takes unsigned thoughts back; null: there is none. */
  readonly reasoningField: 'reasoning_content' | 'reasoning' | null;
  /** Whether an assistant's message has a field `refusal`; else a refusal is sent as its text. */
  readonly refusalField: boolean;
  /** Null: any. Other values are refused. */
  readonly serviceTiers: readonly string[] | null;
  readonly maxStops: number;
  readonly temperatureMax: number;
  readonly topLogprobsMax: number;
  /** Writes a part of a user's message; refuses what the server does not take. OpenAI's way is `writeMedia` of media.ts. */
  writeMedia(part: MediaPart, refusals: Refusals): object;
}
