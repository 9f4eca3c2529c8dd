/** A race: accounts change while logins with the old password are under way. */
import assert from 'node:assert/strict';
import {
  addUser,
  CHANGES,
  countSessions,
  logIn,
  logInWithAuth,
  NEW,
  OLD,
  openingPasswords,
  passTurns,
  type Service,
} from './account-service.ts';
import { randomFrom } from './random.ts';
import { eightAtATime } from './user-files.ts';

/** Undoes a disabling, so that the passwords that open the account can be tried. */
const ALL_CHANGES: typeof CHANGES = {
  ...CHANGES,
  async 'disable and enable'(accounts, id) {
    assert.equal(await accounts.disable(id), true);
    assert.equal(await accounts.enable(id), true);
  },
};

/**
 * Changes the account of a new user in each round, while three logins are under way.
 * @returns the rounds that left a session of the old password, or another wrong state
 */
export async function wrongRounds(
  servers: readonly [Service, Service],
  rounds: number,
  seed: number,
): Promise<string[]> {
  const random = randomFrom(seed);
  const wrong: string[] = [];
  const names = Object.keys(ALL_CHANGES);
  const numbers = Array.from({ length: rounds }, (_, index) => index);
  await eightAtATime(numbers.values(), async (round) => {
    const id = `joe${round}`;
    const name = names[round % names.length] ?? '';
    await addUser(servers[0], id);
    const logins = [0, 1, 2].map(async () => {
      await passTurns(random() * 12);
      const server = servers[random() < 0.5 ? 0 : 1];
      return random() < 0.5 ? logIn(server, id, OLD) : logInWithAuth(server, id, OLD);
    });
    await passTurns(random() * 12);
    await ALL_CHANGES[name]?.(servers[0].accounts, id);
    await Promise.all(logins);
    const opening = await openingPasswords(servers[1], id);
    const left = await countSessions(servers[1], id);
    const isReopened = name === 'disable and enable';
    // After `enable` the old password is right again, so a login may have begun since.
    const isRight = isReopened ? opening[0] === OLD : left === 0;
    const expected = name === 'change' || name === 'set' ? [NEW] : [];
    const opensRightly = isReopened || JSON.stringify(opening) === JSON.stringify(expected);
    if (!isRight || !opensRightly) wrong.push(`${round}: ${name}, ${left} sessions, ${opening}`);
  });
  return wrong;
}
