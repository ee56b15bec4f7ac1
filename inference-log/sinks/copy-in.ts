import type { ClientBase, Connection, Submittable } from 'pg';

/**
 * Runs `COPY … FROM STDIN` on a connection with the messages that copy-buffer.ts made, sent as they are: the driver's own
 * way copies them once more.
 * @param statement the COPY statement
 * @returns the number of rows copied
 * @throws the server's error; the messages may then still be on their way, so their buffer must not be used again
 */
export function copyIn(client: ClientBase, statement: string, messages: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    client.query(
      createCopyQuery(statement, messages, (error, rows) => (error === null ? resolve(rows) : reject(error))),
    );
  });
}

/** What pg's client calls on the query whose answer is being read. `callback` is its name for the way back; it wraps it in its timeout. */
interface CopyQuery extends Submittable {
  callback(error: Error | null, rows: number): void;
  handleCopyInResponse(connection: Connection): void;
  handleCommandComplete(message: { readonly text: string }): void;
  handleError(error: Error): void;
  handleReadyForQuery(): void;
}

function createCopyQuery(statement: string, messages: Buffer, callback: CopyQuery['callback']): CopyQuery {
  let rows = 0;
  return {
    callback,
    submit: (connection) => connection.query(statement),
    handleCopyInResponse: (connection) => void connection.stream.write(messages),
    handleCommandComplete({ text }) {
      rows = Number(text.slice('COPY '.length));
    },
    handleError(error) {
      this.callback(error, 0);
    },
    handleReadyForQuery() {
      this.callback(null, rows);
    },
  };
}
