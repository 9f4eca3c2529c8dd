/** Clients that keep a server busy while an operator does something to it. */
import { Agent, request } from 'node:http';
import { once } from 'node:events';

/** What the clients have got: how many answers of each status, and the requests without one. */
export interface LoadResult {
  readonly statuses: Readonly<Record<string, number>>;
  /** The codes of connections that broke before their answer. */
  readonly lost: readonly string[];
}

/**
 * Starts clients that send `GET /hello` one after the other, on connections that stay open.
 * @param authorization called for each request, because a client may get another token
 */
export function startLoad(url: string, authorization: () => string, clients = 8) {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const statuses: Record<string, number> = {};
  const lost: string[] = [];
  let isStopped = false;
  let onFirst: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (onFirst = resolve));

  async function ask(): Promise<void> {
    const headers = { authorization: authorization() };
    const sent = request(`${url}/hello`, { agent, headers }).end();
    try {
      const [response] = await once(sent, 'response');
      statuses[response.statusCode] = (statuses[response.statusCode] ?? 0) + 1;
      response.resume();
      await once(response, 'end');
    } catch (error) {
      lost.push(String(Object(error).code));
    }
    onFirst();
  }

  const running = Array.from({ length: clients }, async () => {
    while (!isStopped) await ask();
  });
  return {
    /** Resolves at the first answer. */
    begun,
    /** Waits until every client has its last answer. */
    async stop(): Promise<LoadResult> {
      isStopped = true;
      await Promise.all(running);
      agent.destroy();
      return { statuses, lost };
    },
  };
}
