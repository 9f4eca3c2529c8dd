/** Prints how many of fifty runs start at once where no run may wait. */
import { PasswordHasher } from '../../../src/accounts/password-hasher.ts';

const own = new PasswordHasher({ logN: 1, maxQueued: 0 });
const all = await Promise.allSettled(Array.from({ length: 50 }, () => own.hash('x')));
console.log(all.filter(({ status }) => status === 'fulfilled').length);
