/**
 * The contest for a sign-in over HTTP, at the same cost of the password and with sessions in
 * memory. Each server has a process of its own.
 */
import assert from 'node:assert/strict';
import { run, type Result } from './harness/contest.ts';
import { PASSWORD } from './harness/scrypt.ts';
import { start, type Contestant } from './hello.ts';
import { ANSWER } from './processes/hello-child.ts';

/** A server that signs users in. */
export interface SignInContestant extends Contestant {
  readonly path: string;
  /** The members of the body beside the password. */
  readonly user: object;
  /** @returns the header that proves the session of a reply */
  readonly proofOf: (reply: Response) => Promise<Record<string, string>>;
}

const SHARED = {
  script: 'processes/sign-in-server.js',
  path: '/auth',
  // A session that can be refreshed, as those of better-auth are.
  user: { username: 'joe', refresh: true },
  proofOf: async (reply: Response) => {
    const { access_token: token } = (await reply.json()) as { readonly access_token: string };
    return { Authorization: `Bearer ${token}` };
  },
};
const OWN: readonly SignInContestant[] = [
  { ...SHARED, way: 'bare', args: ['bare'] },
  { ...SHARED, way: 'latchkey', args: ['latchkey'] },
];

/** The names of the contests, for goals. */
export const NAMES = {
  alone: 'sign-in',
  many: 'sign-in, 8 in flight',
} as const;

/** How many sign-ins are in flight at once. */
const IN_FLIGHT: ReadonlyMap<string, number> = new Map([
  [NAMES.alone, 1],
  [NAMES.many, 8],
]);

/** @param peers are compared with bare scrypt and with latchkey */
export async function signInContests(
  peers: readonly SignInContestant[],
  rounds: number,
): Promise<Result[]> {
  const servers = await Promise.all(
    [...OWN, ...peers].map(async (contestant) => {
      const server = await start(contestant);
      const origin = `http://127.0.0.1:${server.port}`;
      const signIn = (password: string) =>
        fetch(`${origin}${contestant.path}`, {
          method: 'POST',
          // A browser sends `Origin`, and better-auth checks it.
          headers: { 'Content-Type': 'application/json', 'Origin': origin },
          body: JSON.stringify({ ...contestant.user, password }),
        });
      const way = async () => {
        const reply = await signIn(PASSWORD);
        assert.equal(reply.status, 200);
        return contestant.proofOf(reply);
      };
      return { name: contestant.way, server, origin, signIn, way };
    }),
  );
  /** Each reply opens `GET /hello`, and each server refuses another password. */
  const agree = async (proofs: readonly unknown[]) => {
    for (const [index, { origin, signIn }] of servers.entries()) {
      const headers = proofs[index] as Record<string, string>;
      const hello = await fetch(`${origin}/hello`, { headers });
      assert.deepEqual(await hello.json(), ANSWER);
      assert.equal((await signIn(`not ${PASSWORD}`)).status, 401);
    }
  };
  const ways = Object.fromEntries(servers.map(({ name, way }) => [name, way]));
  const results: Result[] = [];
  for (const [name, inFlight] of IN_FLIGHT) {
    const inputs = () => Array.from({ length: 2 + 2 * inFlight }, () => '');
    results.push(...(await run({ name, rounds, inFlight, inputs, ways, agree })));
  }
  for (const { server } of servers) await server.stop();
  return results;
}
