/** A race: a password changes while a login with the old one renews its hash. */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Accounts, PasswordHasher, type UserStore } from '../../src/index.ts';
import { userNamed } from './user-files.ts';

const OLD_PASSWORD = 'the old one';
const oldHash = await new PasswordHasher({ logN: 1 }).hash(OLD_PASSWORD);

/** Turns of the event loop from the new hash of the login to the change; negative for before. */
const OFFSETS = [-6, -4, -3, -2, -1, 0, 1, 2, 3, 4];

/** @returns the rounds, each with its own user, in which the change succeeded and was then lost */
export async function lostChanges(users: UserStore, rounds: number): Promise<number[]> {
  const lost: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const user = userNamed(`joe${round}`, oldHash);
    assert.equal(await users.insert(user), true);
    const passwords = new PasswordHasher({ logN: 2 });
    const offset = OFFSETS[round % OFFSETS.length] ?? 0;
    const change = changeDuring(passwords, offset, () => {
      return users.update({ ...user, passwordHash: `changed ${round}` });
    });
    const accounts = new Accounts({ users, passwords, limits: false });
    assert.equal((await accounts.authenticate(user.id, OLD_PASSWORD))?.id, user.id);
    assert.equal(await change, true);
    const stored = await users.find(user.id);
    if (stored?.passwordHash !== `changed ${round}`) lost.push(round);
  }
  return lost;
}

/** @returns the answer of a change that begins `offset` turns after the hasher has made a hash */
function changeDuring(
  passwords: PasswordHasher,
  offset: number,
  change: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const hash = passwords.hash.bind(passwords);
  return new Promise((resolve) => {
    passwords.hash = async (password, signal) => {
      const made = await hash(password, signal);
      const changed = async () => {
        for (let turn = 0; turn < offset; turn += 1) await nextTurn();
        return change();
      };
      resolve(changed());
      for (let turn = 0; turn < -offset; turn += 1) await nextTurn();
      return made;
    };
  });
}
