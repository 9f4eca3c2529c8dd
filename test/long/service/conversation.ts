/** What one person has sent, and the answers. */
import type { Random } from '../../support/generators.ts';
import type { Account } from './account.ts';
import { shown, type Login } from './login.ts';
import { Forbidden } from './possible.ts';
import type { Answer, Call } from './server-process.ts';
import type { Service } from './service.ts';

/** How many of the last requests a failure shows. */
const MAX_HISTORY = 60;
/** After which a first use of a token is stored, even if the database was away at the first try. */
const USE_RETRY_MS = 12_000;

/** `unknown`: without an answer. `refused`: by the guard, whose answer was judged. */
export type Guarded = Answer | 'unknown' | 'refused';

/** Sends the requests of one person to one service. */
export class Conversation {
  readonly name: string;
  readonly random: Random;
  readonly #service: Service;
  readonly #history: string[] = [];
  #passwords = 0;

  constructor(name: string, service: Service, random: Random) {
    this.name = name;
    this.random = random;
    this.#service = service;
  }

  /** @returns undefined for a request without an answer, which may have had an effect */
  async ask(what: string, call: Call): Promise<Answer | undefined> {
    const sent = timeNow();
    const answer = await this.#service.ask(call);
    const came = answer === undefined ? 'no answer' : shown(answer);
    this.#history.push(`${sent} to ${timeNow()} ${what}: ${came}`);
    if (this.#history.length > MAX_HISTORY) this.#history.shift();
    return answer;
  }

  /** Sends a request with an access token, and judges the answer of the guard. */
  async askAs(account: Account, login: Login, what: string, call: Call): Promise<Guarded> {
    const token = login.accessToken;
    login.mayBeUsed();
    const answer = await this.ask(`${what} as ${login.name}`, { ...call, token });
    if (answer === undefined) return 'unknown';
    if (!account.isLetThrough(login, answer)) return 'refused';
    if (this.#service.calmMs > USE_RETRY_MS) login.isSurelyUsed();
    return answer;
  }

  /** @returns a password that the person has not used before */
  newPassword(): string {
    this.#passwords += 1;
    return this.#password(this.#passwords);
  }

  /** @param random picks one of those that were used, or the next one */
  anyPassword(random: Random): string {
    return this.#password(1 + Math.floor(random() * (this.#passwords + 1)));
  }

  /** Adds the last requests to what the model forbids. */
  async explained(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof Forbidden)) throw error;
      throw new Forbidden([`${this.name}: ${error.message}`, ...this.#history].join('\n  '));
    }
  }

  #password(number: number): string {
    return `sesame-${this.name}-${number}`;
  }
}

const timeNow = (): string => new Date().toISOString().slice(11, -1);

/** @throws Forbidden for another answer */
export function expectAnswer(answer: Answer, status: number, code = ''): void {
  if (answer.status === status && answer.code === code) return;
  const expected = `${status} ${code}`.trim();
  throw new Forbidden(`the answer is ${shown(answer)} in place of ${expected}`);
}
