/** Measures latchkey against other packages for the same work: `npm run bench:peers`. */
import { createSecretKey, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSigner, createVerifier } from 'fast-jwt';
import { jwtVerify, SignJWT } from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import { reportOf, run, type Goal, type Result } from './harness/contest.ts';
import { helloContest, OWN, type Contestant } from './hello.ts';
import { readRounds, whereAndWhen } from './harness/report.ts';
import { SECRET } from './harness/secret.ts';
import { NAMES as SIGN_INS, signInContests, type SignInContestant } from './sign-in.ts';
import { NAMES, tokenContests, type TokenPeer } from './tokens.ts';

const { subtle } = webcrypto;
const ALGORITHMS: ['HS256'] = ['HS256'];
const key = createSecretKey(SECRET, 'utf8');
const hmac = { name: 'HMAC', hash: 'SHA-256' };
const cryptoKey = await subtle.importKey('raw', Buffer.from(SECRET), hmac, false, [
  'sign',
  'verify',
]);
const sign = createSigner({ key: SECRET, algorithm: 'HS256', expiresIn: 300_000 });
const verify = createVerifier({ key: SECRET, algorithms: ALGORITHMS, cache: false });
const cached = { key: SECRET, algorithms: ALGORITHMS, cache: 1000 };
const verifyCached = createVerifier(cached);
const verifyByToken = createVerifier({ ...cached, cacheKeyBuilder: (token) => token });

/** Each library reads its key, and does all else that it can, ahead of time. */
const PEERS: Readonly<Record<string, TokenPeer>> = {
  'fast-jwt': {
    sign: (identity) => sign({ identity }),
    verify,
    verifyCached,
  },
  // By default the key of its cache is a hash, so that the cache holds no tokens.
  'fast-jwt, token as key': { verifyCached: verifyByToken },
  'jsonwebtoken': {
    sign: (identity) =>
      jsonwebtoken.sign({ identity }, key, { algorithm: 'HS256', expiresIn: 300 }),
    verify: (token) => jsonwebtoken.verify(token, key, { algorithms: ALGORITHMS }),
  },
  'jose': {
    sign: (identity) => {
      const token = new SignJWT({ identity }).setProtectedHeader({ alg: 'HS256' });
      return token.setIssuedAt().setExpirationTime('300s').sign(cryptoKey);
    },
    verify: (token) =>
      jwtVerify(token, cryptoKey, { algorithms: ALGORITHMS }).then(({ payload }) => payload),
  },
};

const HELLO = 'GET /hello';
const SESSION = 'GET /hello, with a session';

const SERVERS: readonly Contestant[] = [
  { way: 'Fastify + @fastify/jwt', script: 'processes/peer-server.js', args: ['fastify'] },
  { way: 'Fastify, cache on', script: 'processes/peer-server.js', args: ['fastifyCached'] },
  { way: 'Express + express-jwt', script: 'processes/peer-server.js', args: ['express'] },
  { way: 'Hono + hono/jwt', script: 'processes/peer-server.js', args: ['hono'] },
];

const BETTER_AUTH = {
  way: 'better-auth',
  script: 'processes/better-auth-server.js',
  args: [],
} as const;
const WITH_SESSION: readonly Contestant[] = [
  ...OWN.filter(({ way }) => way === 'bare'),
  { way: 'latchkey', script: 'processes/session-server.js', args: ['memory', 'on'] },
  { way: 'latchkey, sessions off', script: 'processes/session-server.js', args: ['memory', 'off'] },
  BETTER_AUTH,
];
const SIGN_IN: SignInContestant = {
  ...BETTER_AUTH,
  path: '/api/auth/sign-in/email',
  user: { email: 'joe@example.com' },
  proofOf: async (reply) => {
    // The connection is free for the next request once the body has been read.
    await reply.arrayBuffer();
    return { Cookie: reply.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ') };
  },
};

const faster = (contest: string, other: string, times: number, way = 'latchkey'): Goal => {
  return { contest, way, other, atMost: Number((1 / times).toFixed(3)) };
};
const UNCACHED = 'latchkey, cache off';
/** What a user who comes from the other package should be able to expect. */
const GOALS: readonly Goal[] = [
  ...[NAMES.sign, NAMES.verify, NAMES.foreign].flatMap((contest) => [
    faster(contest, 'fast-jwt', 1.1),
    faster(contest, 'jsonwebtoken', 1.5),
    faster(contest, 'jose', 3),
  ]),
  faster(NAMES.cached, 'fast-jwt', 5),
  // The token as the key is what latchkey does as well.
  { contest: NAMES.cached, way: 'latchkey', other: 'fast-jwt, token as key', atMost: 1.1 },
  faster(HELLO, 'Fastify + @fastify/jwt', 1.5),
  faster(HELLO, 'Express + express-jwt', 2),
  faster(HELLO, 'Hono + hono/jwt', 2),
  // Like for like: both remember a token, or neither does.
  { contest: HELLO, way: 'latchkey', other: 'Fastify, cache on', atMost: 1.1 },
  { contest: HELLO, way: UNCACHED, other: 'Fastify + @fastify/jwt', atMost: 1.1 },
  faster(HELLO, 'Express + express-jwt', 1.5, UNCACHED),
  faster(HELLO, 'Hono + hono/jwt', 1.5, UNCACHED),
  faster(SESSION, BETTER_AUTH.way, 5),
  // Nearly all of a sign-in is scrypt, which costs the same everywhere.
  ...Object.values(SIGN_INS).flatMap((contest) => {
    return ['bare', BETTER_AUTH.way].map((other) => {
      return { contest, way: 'latchkey', other, atMost: 1.05 };
    });
  }),
];

function versions(): string {
  const { dependencies } = JSON.parse(
    readFileSync(join(import.meta.dirname, 'package.json'), 'utf8'),
  ) as {
    dependencies: Readonly<Record<string, string>>;
  };
  return Object.entries(dependencies)
    .map((dependency) => dependency.join(' '))
    .join(', ');
}

const { rounds, isJson } = readRounds();
const where = `${whereAndWhen()}; ${versions()}; ${rounds} rounds`;
const results: Result[] = [];
for (const contest of tokenContests(PEERS, 10 * rounds)) results.push(...(await run(contest)));
results.push(...(await helloContest(HELLO, [...OWN, ...SERVERS], 2 * rounds)));
results.push(...(await helloContest(SESSION, WITH_SESSION, 2 * rounds)));
results.push(...(await signInContests([SIGN_IN], rounds)));
console.log(reportOf(where, results, GOALS, isJson));
