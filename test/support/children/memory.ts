/** Starts a run of scrypt that needs 1 GiB where the system grants 256 MiB. Prints the outcome. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { PasswordHasher } from '../../../src/accounts/password-hasher.ts';
import { allSaid } from '../assertions.ts';
import { MARKER } from '../tokens.ts';
import { cheapPasswords } from '../app.ts';

const own = new PasswordHasher({ logN: 20 });
const inUse = Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
execFileSync('prlimit', [`--pid=${process.pid}`, `--as=${inUse + 256 * 2 ** 20}`]);
const error: unknown = await own.hash(MARKER).catch((reason: unknown) => reason);
const next = await own.verify('x', await cheapPasswords().hash('x'));
const isSilent = !allSaid(error).includes(MARKER);
// A TypeError would come from our own code, using a key that does not exist.
const isRefused = error instanceof Error && !(error instanceof TypeError);
console.log(JSON.stringify({ isRefused, isSilent, next }));
