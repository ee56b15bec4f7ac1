/** A few calls of the control API, as the first start makes them. */
export interface ControlClient {
  /** The resource, or undefined when there is none. */
  get<Resource>(path: string): Promise<Resource | undefined>;
  send<Resource>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Resource>;
  /** Whether the token is accepted. */
  isAuthorized(): Promise<boolean>;
}

export function createControlClient(controlUrl: string, adminToken: string): ControlClient {
  const call = (method: string, path: string, body?: unknown) =>
    fetch(`${controlUrl}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const refuse = async (method: string, path: string, answer: Response): Promise<never> => {
    throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
  };
  return {
    async get<Resource>(path: string) {
      const answer = await call('GET', path);
      if (answer.status === 404) {
        await answer.body?.cancel();
        return undefined;
      }
      return answer.ok ? ((await answer.json()) as Resource) : refuse('GET', path, answer);
    },
    async send<Resource>(method: string, path: string, body?: unknown) {
      const answer = await call(method, path, body);
      if (!answer.ok) return refuse(method, path, answer);
      return (answer.status === 204 ? undefined : await answer.json()) as Resource;
    },
    async isAuthorized() {
      const answer = await call('GET', '/groups?limit=1');
      await answer.body?.cancel();
      return answer.status !== 401;
    },
  };
}
