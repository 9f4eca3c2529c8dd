/**
 * What the server offers over TLS, suite by suite, in real handshakes: with an RSA and an EC
 * certificate, as started and after a renewal. A lax server of node:tls runs beside it. If a client
 * reaches only the lax one, latchkey refused what the client offered.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect, createServer, getCiphers, type ConnectionOptions } from 'node:tls';
import { listen, Router, type Server, type TlsOptions } from '../../src/index.ts';
import { FIRST, RSA, WEAK_RSA } from '../support/certificates.ts';
import { shakeHands, withServer } from '../support/app.ts';

const AEAD_OF_1_3 = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
];
const AEAD_OF_1_2 = ['AES256-GCM-SHA384', 'CHACHA20-POLY1305', 'AES128-GCM-SHA256'];

/** Suites without AEAD, without forward secrecy, over finite fields, or with a rare AEAD. */
const REFUSED = {
  RSA: [
    'AES128-SHA',
    'AES256-SHA',
    'AES128-SHA256',
    'AES256-SHA256',
    'AES128-GCM-SHA256',
    'AES256-GCM-SHA384',
    'AES128-CCM',
    'AES256-CCM8',
    'ARIA128-GCM-SHA256',
    'ECDHE-RSA-AES128-SHA',
    'ECDHE-RSA-AES256-SHA',
    'ECDHE-RSA-AES128-SHA256',
    'ECDHE-RSA-AES256-SHA384',
    'ECDHE-ARIA256-GCM-SHA384',
    'DHE-RSA-AES128-SHA',
    'DHE-RSA-AES256-SHA256',
    'DHE-RSA-AES128-GCM-SHA256',
    'DHE-RSA-AES256-GCM-SHA384',
    'DHE-RSA-CHACHA20-POLY1305',
    'TLS_AES_128_CCM_SHA256',
  ],
  ECDSA: [
    'ECDHE-ECDSA-AES128-SHA',
    'ECDHE-ECDSA-AES256-SHA',
    'ECDHE-ECDSA-AES128-SHA256',
    'ECDHE-ECDSA-AES256-SHA384',
    'ECDHE-ECDSA-AES128-CCM',
    'ECDHE-ECDSA-AES256-CCM8',
    'ECDHE-ECDSA-ARIA128-GCM-SHA256',
    'TLS_AES_128_CCM_SHA256',
  ],
};

/** Every suite of TLS 1.2 that this OpenSSL knows. */
const SUITES = getCiphers()
  .map((name) => name.toUpperCase())
  .filter((name) => !name.startsWith('TLS_'));

/** The options of a client that offers one suite. */
const offer = (suite: string): ConnectionOptions => {
  if (suite.startsWith('TLS_')) return { ciphers: suite, minVersion: 'TLSv1.3' };
  return { ciphers: `${suite}:@SECLEVEL=0`, maxVersion: 'TLSv1.2' };
};

/** A server that accepts everything that this OpenSSL supports. */
async function withLaxServer<T>(tls: TlsOptions, use: (port: number) => Promise<T>): Promise<T> {
  const ciphers = 'TLS_AES_128_CCM_SHA256:TLS_AES_128_GCM_SHA256:ALL:COMPLEMENTOFALL:@SECLEVEL=0';
  const server = createServer({ ...tls, ciphers, minVersion: 'TLSv1', dhparam: 'auto' });
  server.on('secureConnection', (socket) => socket.on('error', () => undefined));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    return await use((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

/** Serves a router without routes over TLS. */
function withTls(tls: TlsOptions, use: (server: Server) => Promise<void>): Promise<void> {
  return withServer(new Router(), use, { tls });
}

const CERTIFICATES = { RSA, ECDSA: FIRST };
type Kind = keyof typeof CERTIFICATES;

/** The suites that the lax server accepts, by the kind of its certificate. */
const possibleSuites = new Map<Kind, string[]>();

async function findPossibleSuites(kind: Kind): Promise<string[]> {
  const known = possibleSuites.get(kind);
  if (known !== undefined) return known;
  const possible: string[] = [];
  await withLaxServer(CERTIFICATES[kind], async (port) => {
    for (const suite of new Set([...SUITES, ...REFUSED[kind]])) {
      if (/^TLSv1\.\d /.test(await shakeHands(port, offer(suite)))) possible.push(suite);
    }
  });
  possibleSuites.set(kind, possible);
  return possible;
}

/** @returns the suites that the lax server accepts and this server refuses */
async function refusedSuites(server: Server, kind: Kind): Promise<Set<string>> {
  const refused = new Set<string>();
  for (const suite of await findPossibleSuites(kind)) {
    const answer = await shakeHands(server.port, offer(suite));
    if (/^ERR_SSL_.*ALERT/.test(answer)) {
      refused.add(suite);
    } else {
      const isGood = AEAD_OF_1_2.some((name) => answer === `TLSv1.2 ECDHE-${kind}-${name}`);
      assert.ok(isGood, suite);
    }
  }
  return refused;
}

/** Checks what the server must accept and must refuse with a certificate of this kind. */
async function checkOffers(server: Server, kind: Kind): Promise<void> {
  const tls = CERTIFICATES[kind];
  for (const suite of [...AEAD_OF_1_3, ...AEAD_OF_1_2.map((name) => `ECDHE-${kind}-${name}`)]) {
    const version = suite.startsWith('TLS_') ? 'TLSv1.3' : 'TLSv1.2';
    assert.equal(await shakeHands(server.port, offer(suite)), `${version} ${suite}`);
  }
  const refused = await refusedSuites(server, kind);
  assert.deepEqual(
    REFUSED[kind].filter((suite) => !refused.has(suite)),
    [],
  );

  const suites = kind === 'RSA' ? 'AES128-SHA:ECDHE-RSA-AES128-SHA' : 'ECDHE-ECDSA-AES128-SHA';
  for (const version of ['TLSv1', 'TLSv1.1'] as const) {
    const old = { minVersion: version, maxVersion: version, ciphers: `${suites}:@SECLEVEL=0` };
    await withLaxServer(tls, async (port) =>
      assert.match(await shakeHands(port, old), RegExp(`^${version} `)),
    );
    assert.match(
      await shakeHands(server.port, old),
      /^ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION$/,
      version,
    );
  }
  // Finite fields cost the server far more work than the client.
  const fields = { ecdhCurve: 'ffdhe8192', minVersion: 'TLSv1.3' } as const;
  // A server with OpenSSL 3.2 or newer does not offer them by default.
  const isLax = await withLaxServer(tls, async (port) =>
    /^TLSv1\.3 /.test(await shakeHands(port, fields)),
  );
  assert.ok(isLax || !process.versions.openssl.startsWith('3.0.'));
  assert.match(await shakeHands(server.port, fields), /ALERT/);
  for (const ecdhCurve of ['X25519', 'P-256', 'P-384']) {
    const answer = await shakeHands(server.port, { ecdhCurve, minVersion: 'TLSv1.3' });
    assert.equal(answer, 'TLSv1.3 TLS_AES_256_GCM_SHA384', ecdhCurve);
  }
}

/** Starts with one certificate, renews to the other and back. */
async function checkRenewals(kind: Kind, other: Kind): Promise<void> {
  await withTls(CERTIFICATES[kind], async (server) => {
    await checkOffers(server, kind);
    server.renewTls(CERTIFICATES[other]);
    await checkOffers(server, other);
    server.renewTls(CERTIFICATES[kind]);
    await checkOffers(server, kind);
  });
}

async function checkAll(): Promise<void> {
  await checkRenewals('RSA', 'ECDSA');
  await checkRenewals('ECDSA', 'RSA');
}

test('only suites with AEAD and forward secrecy are accepted, also after a renewal', checkAll);

test('the server chooses the suite', async () => {
  await withTls(RSA, async (server) => {
    for (let round = 0; round < 2; round += 1) {
      const names = ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384'];
      for (const ciphers of [names.join(':'), names.toReversed().join(':')]) {
        const chosen = await shakeHands(server.port, { ciphers, maxVersion: 'TLSv1.2' });
        assert.equal(chosen, 'TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384');
      }
      server.renewTls(RSA);
    }
  });
});

test('a session can be resumed for an hour at most, and not after a renewal', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  await withTls(RSA, async (server) => {
    const { port } = server;
    const open = async (session?: Buffer) => {
      const options = {
        port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        maxVersion: 'TLSv1.2',
      } as const;
      const socket = connect(session === undefined ? options : { ...options, session });
      await once(socket, 'secureConnect');
      const state = { session: socket.getSession(), isReused: socket.isSessionReused() };
      socket.destroy();
      return state;
    };
    const first = await open();
    assert.equal((await open(first.session)).isReused, true);
    t.mock.timers.tick(3_599_999);
    assert.equal((await open(first.session)).isReused, true);
    t.mock.timers.tick(1);
    assert.equal((await open(first.session)).isReused, false);
    const second = await open();
    assert.equal((await open(second.session)).isReused, true);
    server.renewTls(RSA);
    assert.equal((await open(second.session)).isReused, false);
    const third = await open();
    t.mock.timers.tick(3_600_000);
    assert.equal((await open(third.session)).isReused, false);
  });
});

test('a client that starts a renegotiation is cut off', async () => {
  for (const isRenewed of [false, true]) {
    await withTls(RSA, async (server) => {
      if (isRenewed) server.renewTls(RSA);
      const { port } = server;
      const socket = connect({
        port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        maxVersion: 'TLSv1.2',
      });
      await once(socket, 'secureConnect');
      const isRefused = new Promise<boolean>((resolve) => {
        socket.on('error', () => resolve(true)).on('close', () => resolve(true));
        socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error !== null));
      });
      const outcome = await isRefused;
      socket.destroy();
      assert.equal(outcome, true);
    });
  }
});

test('a key that is too short is refused, at the start and at a renewal', async () => {
  const tooShort = { code: 'ERR_SSL_EE_KEY_TOO_SMALL' };
  const start = () =>
    listen(new Router(), { port: 0, tls: WEAK_RSA }).then((server) => server.close());
  await assert.rejects(start, tooShort);
  await withTls(RSA, async (server) => {
    assert.throws(() => server.renewTls(WEAK_RSA), tooShort);
    assert.equal(await shakeHands(server.port, {}), 'TLSv1.3 TLS_AES_256_GCM_SHA384');
  });
});

const lacksOpenssl = spawnSync('openssl', ['version']).error !== undefined;
const skip = lacksOpenssl && 'the command openssl is not installed';
test('openssl s_client is refused if it offers only weak suites', { skip }, async () => {
  await withTls(RSA, async (server) => {
    const suiteOf = async (...words: string[]) => {
      const target = `127.0.0.1:${server.port}`;
      const child = spawn('openssl', ['s_client', '-connect', target, ...words]);
      let said = '';
      child.stdout.on('data', (some) => (said += some));
      child.stderr.on('data', (some) => (said += some));
      child.stdin.end('\n');
      await once(child, 'close');
      return /Cipher is (\S+)/.exec(said)?.[1];
    };
    const good = 'ECDHE-RSA-AES128-GCM-SHA256';
    const [strong, ...weak] = await Promise.all([
      suiteOf('-tls1_2', '-cipher', good),
      suiteOf('-tls1_2', '-cipher', 'AES128-SHA:AES128-GCM-SHA256:@SECLEVEL=0'),
      suiteOf('-tls1_2', '-cipher', 'ECDHE-RSA-AES128-SHA:@SECLEVEL=0'),
      suiteOf('-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'),
      suiteOf('-tls1', '-cipher', 'ALL:@SECLEVEL=0'),
    ]);
    assert.equal(strong, good);
    assert.equal(weak[0], '(NONE)');
    assert.equal(weak[1], '(NONE)');
    assert.equal(weak[2], '(NONE)');
    assert.equal(weak[3], '(NONE)');
  });
});
