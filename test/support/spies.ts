/** Watching calls of node:crypto, and polluting Object.prototype. */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Runs `use` and tells how a function of node:crypto was called meanwhile. It does its work all the same. */
export async function callsOf(
  name: 'createHmac' | 'randomBytes' | 'scrypt' | 'timingSafeEqual',
  use: (calls: readonly unknown[][]) => unknown,
): Promise<readonly unknown[][]> {
  const calls: unknown[][] = [];
  const real = crypto[name];
  const put = (value: unknown) => {
    Object.assign(crypto, { [name]: value });
    syncBuiltinESMExports();
  };
  put((...given: unknown[]) => {
    calls.push(given);
    return Reflect.apply(real, crypto, given);
  });
  try {
    await use(calls);
  } finally {
    put(real);
  }
  return calls;
}

/** Runs `use` while every object inherits these members, as another library may bring it about. */
export async function withPolluted(members: object, use: () => unknown): Promise<void> {
  Object.assign(Object.prototype, members);
  try {
    await use();
  } finally {
    for (const name of Object.keys(members)) Reflect.deleteProperty(Object.prototype, name);
  }
}
