/** No attacker gets more tries at a program's own users than the documented number. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthError, JwtAuth } from '../../src/index.ts';
import { assertInvariants, Simulation } from '../support/attack-simulation.ts';
import { addressOf, HOUR, loginRequest, waitOf } from '../support/limits.ts';
import { randomFrom } from '../support/random.ts';
import { SECRET } from '../support/tokens.ts';

const RIGHT = 'right';

/** Spellings that a look-up of the program may treat as the same user. */
const SPELLINGS: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toUpperCase(),
  (name) => ` ${name}\u00a0`,
  (name) => `\u200b${name}`,
  (name) => name.replace('e', 'é'),
  (name) => [...name].map((letter) => String.fromCodePoint(letter.charCodeAt(0) + 0xfee0)).join(''),
  (name) => `${name}${' '.repeat(5000)}`,
];

test('no spelling, address or pace gives a guesser more tries than the limits', async () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  for (let run = 0; run < 2; run += 1) {
    const simulation = new Simulation();
    const checks = new WeakMap<object, () => Promise<undefined>>();
    const auth = new JwtAuth<string>({
      secret: SECRET,
      now: () => simulation.seconds,
      authenticate: (username, password, client) => {
        return password === RIGHT ? username : checks.get(client)?.();
      },
      identity: () => undefined,
    });
    const guess = (name: string, from: string, tookSeconds: number) => {
      const request = loginRequest(pick(SPELLINGS)(name), 'wrong', from);
      const login = (check: () => Promise<undefined>) => {
        checks.set(request, check);
        return auth.login(request).catch(passCredentials);
      };
      return simulation.guess(name, from, tookSeconds, login);
    };
    for (let step = 0; step < 25; step += 1) {
      const burst = Math.floor(random() * 60);
      for (let index = 0; index < burst; index += 1) {
        const from = random() < 0.5 ? pick(['10.0.0.1', '2001:db8::1']) : addressOf(index);
        void guess(pick(['joe', 'peter', 'steve']), from, random() < 0.3 ? 700 : 0);
      }
      // The owner logs in between, which gives the attacker no new tries.
      const owner = auth.login(loginRequest('joe', RIGHT, '10.0.0.1'));
      await owner.catch(waitOf);
      await simulation.pass(pick([1, 60, 600, 3599]));
    }
    await simulation.pass(HOUR);
    assertInvariants(simulation);
    assert.ok(simulation.wrong.length > 100, `seed ${seed}: ${simulation.wrong.length}`);
  }
});

/** A wrong password is an outcome of the simulation; a throttled one is for it to see. */
function passCredentials(error: unknown): undefined {
  if (!(error instanceof AuthError && error.code === 'ERR_CREDENTIALS')) throw error;
}
