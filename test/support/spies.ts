/** Spies on node:crypto, and prototype pollution. */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Records the arguments of each call of a function of node:crypto, which works as usual. */
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

/** Runs `use` while Object.prototype has these members, as another library may cause it. */
export async function withPolluted(members: object, use: () => unknown): Promise<void> {
  Object.assign(Object.prototype, members);
  try {
    await use();
  } finally {
    for (const name of Object.keys(members)) Reflect.deleteProperty(Object.prototype, name);
  }
}
