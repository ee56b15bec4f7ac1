/** What a chat may ask for; docs/compatibility.md shows which provider kind can be told. */
export const FEATURES = [
  'plain',
  'stream',
  'tools',
  'parallelTools',
  'toolResult',
  'vision',
  'documents',
  'audioInput',
  'jsonSchema',
  'reasoning',
  'stop',
  'maxTokens',
  'seed',
  'logprobs',
  'candidates',
  'promptCache',
  'citations',
] as const;

/** False: refused with 400, naming the parameter. */
export type Capabilities = Readonly<Record<(typeof FEATURES)[number], boolean>>;
