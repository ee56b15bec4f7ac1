/** APIs that callers' SDKs know and that are not served, with what to do instead. A prefix stands for all below it. */
const NOT_SERVED: readonly (readonly [prefix: string, message: string])[] = [
  ['/v1/files', 'Files are not kept here: send what they hold in the requests themselves.'],
  ['/v1/uploads', 'Files are not kept here: send what they hold in the requests themselves.'],
  ['/v1/batches', 'Batches are not served: send their requests one by one; they may be sent at the same time.'],
  [
    '/v1/messages/batches',
    'Batches are not served: send their requests one by one; they may be sent at the same time.',
  ],
  ['/v1/fine_tuning', 'Fine-tuning is not served: tune at the provider, and add the tuned model as a model here.'],
  ['/v1/fine-tunes', 'Fine-tuning is not served: tune at the provider, and add the tuned model as a model here.'],
  ['/v1/assistants', 'Assistants are not served: send chats with tools.'],
  ['/v1/threads', 'Threads are not kept here: send the messages of a conversation with each request.'],
  ['/v1/conversations', 'Conversations are not kept here: send their messages with each request.'],
  [
    '/v1/vector_stores',
    'Vector stores are not served: search in a store of your own and send what was found; embeddings are served.',
  ],
  ['/v1/realtime', 'Realtime sessions are not served: use chats with audio, transcriptions and speech, which stream.'],
  ['/v1/containers', 'Containers are not served: run code in a place of your own and send its results.'],
  ['/v1/evals', 'Evals are not served: compare the variants of a model group instead.'],
  ['/v1/graders', 'Graders are not served: compare the variants of a model group instead.'],
  ['/v1/videos', 'Videos are not served: ask the provider itself.'],
  ['/v1/chatkit', 'ChatKit is not served: send chats.'],
  ['/v1/skills', 'Skills are not served: send instructions and tools with each request.'],
  ['/v1/organization', 'Organizations of a provider are managed at the provider; this one by the control API.'],
  [
    '/v1/chat/completions',
    'Stored chats are not served: the inference log has them, GET /api/v1/inferences of the control API.',
  ],
  ['/v1/complete', 'Text completions of Anthropic are not served: use /v1/messages.'],
  ['/v1/edits', 'Edits are not served: use /v1/chat/completions.'],
  ['/v1/engines', 'Engines are not served: use /v1/models.'],
  ['/upload', 'Files are not kept here: send what they hold in the requests themselves.'],
  ['/v1beta/files', 'Files are not kept here: send what they hold in the requests themselves.'],
  ['/v1beta/cachedContents', 'Cached contents are not kept here: send what they hold with each request.'],
  ['/v1beta/tunedModels', 'Tuned models are not served by themselves: add one as a model here, and call its group.'],
  ['/v1beta/batches', 'Batches are not served: send their requests one by one; they may be sent at the same time.'],
  ['/v1beta/fileSearchStores', 'Stores are not served: search in a store of your own and send what was found.'],
  ['/v1beta/corpora', 'Corpora are not served: search in a store of your own and send what was found.'],
];

/** What to say of a path (without a query) that is known and not served; undefined for every other. */
export function findNotServed(path: string): string | undefined {
  return NOT_SERVED.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1];
}
