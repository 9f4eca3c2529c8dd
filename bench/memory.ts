/** Measures the memory that latchkey takes. Needs `--expose-gc`. */
import assert from 'node:assert/strict';
import { logIn, signUp, startCommand } from './command.ts';
import { askMany } from './hello.ts';
import { Jwt, latchkey } from './harness/built.ts';
import { tableOf } from './harness/report.ts';
import { SECRET } from './harness/secret.ts';
import { bearer } from './processes/hello-child.ts';

const MANY = 100_000;
const STEPS = 5;

/** @returns how many bytes the heap grows by for each of `count` things that `make` creates */
function heapOf(count: number, make: (n: number) => void): number {
  const heap = () => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const before = heap();
  for (let n = 0; n < count; n += 1) make(n);
  return (heap() - before) / count;
}

interface Memory {
  readonly bytesPerCachedToken: number;
  readonly bytesPerUser: number;
  readonly idleBytes: number;
  /** After each step. */
  readonly busyBytes: readonly { readonly requests: number; readonly rss: number }[];
}

/** @param requests how many requests the server answers */
export async function measureMemory(requests: number): Promise<Memory> {
  const signer = new Jwt({ secret: SECRET });
  const jwt = new Jwt({ secret: SECRET, cacheSize: MANY });
  const bytesPerCachedToken = heapOf(MANY, (n) =>
    jwt.verify(signer.sign({ identity: `user-${n}` })),
  );
  const store = new latchkey.MemoryUserStore();
  const passwordHash = () =>
    `$scrypt$ln=17,r=8,p=1$${'s'.repeat(22)}$${Math.random().toString(36).padEnd(43, 'k')}`;
  const createdAt = new Date().toISOString();
  const bytesPerUser = heapOf(MANY, (n) => {
    store.insert({
      id: `user-${n}`,
      username: `user-${n}`,
      passwordHash: passwordHash(),
      createdAt,
    });
  });
  // Uses both, so that neither is garbage before it is measured.
  assert.ok(store.find('user-0'));
  assert.ok(jwt.verify(signer.sign({})));
  // The password costs little, so that scrypt does not raise the memory.
  const server = await startCommand(['--scrypt-cost', '10', '--lifetime', '36000']);
  const { rss: idleBytes } = await server.usage();
  await signUp(server.port);
  const users = [{ name: 'joe', proof: bearer(await logIn(server.port)) }];
  const asked = { port: server.port, users };
  const busyBytes = [];
  for (let step = 1; step <= STEPS; step += 1) {
    await askMany(asked, { maxAnswers: requests / STEPS });
    busyBytes.push({ requests: (step * requests) / STEPS, rss: (await server.usage()).rss });
  }
  await server.stop();
  return { bytesPerCachedToken, bytesPerUser, idleBytes, busyBytes };
}

export function memoryTable({
  bytesPerCachedToken,
  bytesPerUser,
  idleBytes,
  busyBytes,
}: Memory): string {
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return tableOf([
    ['what', 'memory'],
    ['a cached token and its claims, heap', `${bytesPerCachedToken.toFixed(0)} bytes`],
    ['a user in `MemoryUserStore`, heap', `${bytesPerUser.toFixed(0)} bytes`],
    ['a server without a request, resident', mib(idleBytes)],
    ...busyBytes.map(({ requests, rss }) => [
      `after ${requests.toLocaleString('en')} requests, resident`,
      mib(rss),
    ]),
  ]);
}
