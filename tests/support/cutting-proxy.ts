import net from 'node:net';

/**
 * A TCP proxy on loopback that cuts its first connection after so many bytes of answer; later ones are let alone. What came before
 * the cut arrives: a reset would drop what waits in our queue for a slow reader, which may be all of it.
 */
export function startCuttingProxy(
  targetPort: number,
  cutAfterBytes: number,
): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<net.Socket>();
  let cut = false;
  const server = net.createServer((client) => {
    const upstream = net.connect(targetPort, '127.0.0.1');
    let passed = 0;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      const room = cutAfterBytes - passed;
      passed += chunk.length;
      if (cut || chunk.length < room) {
        if (!client.write(chunk)) upstream.pause();
        return;
      }
      cut = true;
      upstream.destroy();
      client.end(chunk.subarray(0, room));
    });
    client.on('drain', () => upstream.resume());
    upstream.on('end', () => client.end());
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({
        port: (server.address() as net.AddressInfo).port,
        close() {
          for (const socket of sockets) socket.destroy();
          return new Promise((done) => server.close(() => done()));
        },
      });
    });
  });
}
