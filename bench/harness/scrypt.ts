/** Bare password hashes, for contestants that make none of their own or must cost the same. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** The password of every account. */
export const PASSWORD = 'correct horse';

/** A quarter of latchkey's default cost, so that there is time for many rounds. */
export const LOG_N = 15;

function keyOf(password: string, salt: Buffer): Promise<Buffer> {
  const cost = { N: 2 ** LOG_N, r: 8, p: 1, maxmem: 2 ** 26 };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, 32, cost, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

export async function hash(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await keyOf(password, salt);
  return `${salt.toString('base64')}:${key.toString('base64')}`;
}

export async function isRight(password: string, stored: string): Promise<boolean> {
  const [salt = '', key = ''] = stored.split(':');
  const expected = Buffer.from(key, 'base64');
  return timingSafeEqual(await keyOf(password, Buffer.from(salt, 'base64')), expected);
}
