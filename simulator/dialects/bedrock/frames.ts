import { EventStreamCodec } from '@smithy/eventstream-codec';
import type { StreamFraming } from '../../dialect.ts';

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString('utf8'),
  (text) => Buffer.from(text),
);

/** AWS event streams, by AWS's own codec. Events whose name ends in "Exception" are exceptions. */
export const EVENT_FRAMES: StreamFraming = {
  contentType: 'application/vnd.amazon.eventstream',
  encode({ event = '', data }) {
    const isException = event.endsWith('Exception');
    const text = (value: string) => ({ type: 'string', value }) as const;
    return Buffer.from(
      codec.encode({
        headers: {
          [isException ? ':exception-type' : ':event-type']: text(event),
          ':content-type': text('application/json'),
          ':message-type': text(isException ? 'exception' : 'event'),
        },
        body: Buffer.from(data),
      }),
    );
  },
};
