import type { Field } from './row.ts';
import { chatBody, gatewaysOf } from './side.ts';
import { runWrk } from './wrk.ts';

const FULL_S = 10;
const QUICK_S = 2;
const CONNECTIONS = 64;
const PROMPT_BYTES = 1_000;

/** How long `warmUp` takes, about. */
export function warmUpS(gateways: number, quick: boolean): number {
  return gateways * (quick ? QUICK_S : FULL_S);
}

/** Small chats to every gateway alike before anything is measured: compilers that work at run time need tens of thousands of them. */
export async function warmUp(field: Field): Promise<void> {
  for (const { name, url, headers, model } of gatewaysOf(field)) {
    const { requestsPerS } = await runWrk({
      ...{ url, headers, core: field.otherCore, scratch: field.scratch },
      body: chatBody(model, PROMPT_BYTES),
      connections: CONNECTIONS,
      seconds: field.quick ? QUICK_S : FULL_S,
    });
    field.say(`${name}: ${requestsPerS.toFixed(0)} req/s`);
  }
}
