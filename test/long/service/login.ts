/** The model of one session: what its client knows of it, and which answers to it are allowed. */
import { Forbidden, Possible } from './possible.ts';
import type { Answer } from './server-process.ts';

/** The `graceSeconds` of the servers. */
const GRACE_SECONDS = 10;

const secondOf = (milliseconds: number): number => Math.floor(milliseconds / 1000);

/** When the session got its generation. Times are in milliseconds since 1970. */
interface Rotation {
  readonly earliestMs: number;
  readonly latestMs: number;
}

/** @returns a claim of a token, which is not verified */
export function claimOf(token: string, name: string): unknown {
  const [, payload = ''] = token.split('.');
  return Object(JSON.parse(Buffer.from(payload, 'base64url').toString()))[name];
}

/** @returns an answer as a message may show it */
export const shown = ({ status, code }: Answer): string => `${status} ${code}`.trim();

/** The session of a login whose answer has arrived. */
export class Login {
  readonly name: string;
  /** The claim `sid`. */
  readonly id: string;
  readonly isLive: Possible<boolean>;
  accessToken: string;
  /** Wrong passwords that were sent on guarded routes. The rate limit allows 10 an hour. */
  wrongPasswords = 0;
  /** Each refresh token that the client got, by generation. A plain session has none. */
  readonly #refreshTokens: string[] = [];
  /** The generation that the server has stored: that of the client's newest token, or the next. */
  readonly #generation: Possible<number>;
  /** Whether the server has stored that the newest access token was used. */
  readonly #isUsed: Possible<boolean>;
  #rotation: Rotation | undefined;
  /** When the newest refresh token was first sent, if no answer has told what came of it. */
  #triedMs: number | undefined;

  constructor(name: string, { body }: Answer) {
    const { access_token: accessToken, refresh_token: refreshToken } = Object(body);
    this.name = name;
    this.accessToken = String(accessToken);
    this.id = String(claimOf(this.accessToken, 'sid'));
    this.isLive = new Possible(`state of ${name}`, true);
    this.#generation = new Possible(`generation of ${name}`, 0);
    this.#isUsed = new Possible(`use of ${name}`, false);
    if (refreshToken !== undefined) this.#refreshTokens.push(String(refreshToken));
  }

  get isRefreshable(): boolean {
    return this.#refreshTokens.length > 0;
  }

  /** The generation of the newest refresh token. */
  get generation(): number {
    return this.#refreshTokens.length - 1;
  }

  refreshToken(generation: number): string {
    return this.#refreshTokens[generation] ?? '';
  }

  /** The newest access token is sent. */
  mayBeUsed(): void {
    this.#isUsed.add(true);
  }

  /** A server has accepted the newest access token, and has stored that. */
  isSurelyUsed(): void {
    this.#isUsed.set(true);
  }

  /**
   * Judges the answers to requests that sent one refresh token at the same time.
   * @param generation that of the refresh token
   * @param answers undefined for a request whose answer was lost
   * @param sentMs when the first of them was sent
   * @throws Forbidden
   */
  judgeRefreshes(
    generation: number,
    answers: readonly (Answer | undefined)[],
    sentMs: number,
  ): void {
    const newest = this.generation;
    const hadRotated = this.#generation.has(newest + 1);
    if (generation === newest) {
      this.#triedMs ??= sentMs;
      this.#generation.add(newest + 1);
    }
    const given: Answer[] = [];
    for (const answer of answers) {
      if (answer === undefined) {
        if (generation < newest) this.isLive.add(false);
      } else if (answer.status === 200) {
        this.#judgeTokens(generation, answer, hadRotated || answers.length > 1);
        given.push(answer);
      } else {
        this.#judgeRefusal(generation, answer);
      }
    }
    if (given.length > 0) this.#take(given, answers.includes(undefined));
  }

  #judgeTokens(sent: number, answer: Answer, mayHaveRotated: boolean): void {
    const newest = this.generation;
    const given = generationOf(answer);
    const because = `${this.name} got generation ${given} for its refresh token ${sent}`;
    this.isLive.is(true, because);
    const isNext = given === newest + 1 && sent === newest;
    const isSame = given === newest && sent === newest && newest > 0;
    const isSuccessor = given === newest && sent === newest - 1;
    const mayBePast = !this.#isWithinGrace(answer);
    const mayBeWithin = !this.#isPastGrace(answer);
    const isAllowed =
      (isNext && (mayBePast || mayHaveRotated)) ||
      (isSame && mayBeWithin) ||
      (isSuccessor && (mayBeWithin || this.#isUsed.has(false)));
    if (!isAllowed) throw new Forbidden(`${because}, and its newest is ${newest}`);
    if (!this.#generation.has(given)) throw new Forbidden(`${because} after a newer one was given`);
  }

  #judgeRefusal(sent: number, answer: Answer): void {
    const newest = this.generation;
    const because = `${this.name} got ${shown(answer)} for its refresh token ${sent} of ${newest}`;
    if (answer.code !== 'ERR_SESSION_ENDED') throw new Forbidden(because);
    const isReusedPredecessor = !this.#isWithinGrace(answer) && this.#isUsed.has(true);
    const isReuse =
      sent < newest - 1 ||
      (sent === newest - 1 && (isReusedPredecessor || this.#generation.has(newest + 1)));
    if (isReuse) this.isLive.set(false);
    else this.isLive.is(false, because);
  }

  /** The client keeps the newest pair that it got. */
  #take(given: readonly Answer[], isOneLost: boolean): void {
    const newest = this.generation;
    const next = given.filter((answer) => generationOf(answer) > newest);
    const [first = given[0]] = next;
    if (first === undefined) return;
    this.accessToken = String(Object(first.body).access_token);
    if (next.length === 0) {
      if (isOneLost) return;
      this.#generation.set(newest);
      this.#triedMs = undefined;
      return;
    }
    const tokens = new Set(next.map(({ body }) => String(Object(body).refresh_token)));
    if (tokens.size > 1) throw new Forbidden(`${this.name} got two refresh tokens at once`);
    this.#refreshTokens.push(...tokens);
    this.#generation.set(newest + 1);
    this.#isUsed.set(false);
    const { answeredMs } = first;
    this.#rotation = { earliestMs: this.#triedMs ?? answeredMs, latestMs: answeredMs };
    this.#triedMs = undefined;
  }

  /** Whether the server surely counted the request to the grace period. */
  #isWithinGrace({ answeredMs }: Answer): boolean {
    if (this.#rotation === undefined) return false;
    return secondOf(answeredMs) - secondOf(this.#rotation.earliestMs) < GRACE_SECONDS;
  }

  /** Whether the grace period had surely passed. */
  #isPastGrace({ sentMs }: Answer): boolean {
    if (this.#rotation === undefined) return true;
    return secondOf(sentMs) - secondOf(this.#rotation.latestMs) >= GRACE_SECONDS;
  }
}

function generationOf({ body }: Answer): number {
  return Number(claimOf(String(Object(body).refresh_token), 'gen'));
}
