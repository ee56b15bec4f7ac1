import net from 'node:net';

/** Sends bytes as they are and returns all that comes back until the server closes, or until a whole first answer is there. */
export function rawExchange(port: number, pieces: readonly (string | Buffer)[], timeoutMs = 5_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let received = '';
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(received);
    };
    const timer = setTimeout(finish, timeoutMs);
    socket.on('connect', () => {
      for (const piece of pieces) socket.write(piece);
    });
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const final = received.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
      const head = /^HTTP\/1\.1 \d+[\s\S]*?\r\n\r\n/.exec(final);
      const length = head === null ? null : /content-length: (\d+)/i.exec(head[0]);
      if (head !== null && length !== null && final.length >= head[0].length + Number(length[1])) finish();
    });
    socket.on('close', finish);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return finish();
      clearTimeout(timer);
      reject(error);
    });
  });
}
