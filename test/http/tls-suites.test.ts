/**
 * What the server offers over TLS, suite by suite, in real handshakes: with an RSA and an EC certificate, as it was
 * started and after a renewal. A server of node:tls that accepts everything stands beside it: a client that only that
 * one accepts was refused for what it offered.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectPlain, type AddressInfo } from 'node:net';
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

/** Without AEAD, without forward secrecy, over finite fields, and AEAD that is seldom used. */
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

/** Each suite of TLS 1.2 that this OpenSSL knows, by its name there. */
const SUITES = getCiphers()
  .map((name) => name.toUpperCase())
  .filter((name) => !name.startsWith('TLS_'));

/** A client that offers one suite and whatever goes with it. */
const offer = (suite: string): ConnectionOptions => {
  if (suite.startsWith('TLS_')) return { ciphers: suite, minVersion: 'TLSv1.3' };
  return { ciphers: `${suite}:@SECLEVEL=0`, maxVersion: 'TLSv1.2' };
};

/** A server that accepts all that this OpenSSL can do. */
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

/** Offers each suite. @returns those that the server refused, and that one that accepts everything accepted */
async function refusedSuites(
  server: Server,
  kind: keyof typeof REFUSED,
  tls: TlsOptions,
): Promise<Set<string>> {
  return withLaxServer(tls, async (laxPort) => {
    const refused = new Set<string>();
    for (const suite of new Set([...SUITES, ...REFUSED[kind]])) {
      const isPossible = /^TLSv1\.\d /.test(await shakeHands(laxPort, offer(suite)));
      const answer = await shakeHands(server.port, offer(suite));
      if (isPossible && /^ERR_SSL_.*ALERT/.test(answer)) refused.add(suite);
      else if (isPossible)
        assert.ok(
          AEAD_OF_1_2.some((name) => answer === `TLSv1.2 ECDHE-${kind}-${name}`),
          suite,
        );
    }
    return refused;
  });
}

/** What the server with this certificate must refuse and must accept. */
async function checkOffers(
  server: Server,
  kind: keyof typeof REFUSED,
  tls: TlsOptions,
): Promise<void> {
  for (const suite of [...AEAD_OF_1_3, ...AEAD_OF_1_2.map((name) => `ECDHE-${kind}-${name}`)]) {
    const version = suite.startsWith('TLS_') ? 'TLSv1.3' : 'TLSv1.2';
    assert.equal(await shakeHands(server.port, offer(suite)), `${version} ${suite}`);
  }
  const refused = await refusedSuites(server, kind, tls);
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
  // Its modular exponentiations would cost the server far more than the client.
  const fields = { ecdhCurve: 'ffdhe8192', minVersion: 'TLSv1.3' } as const;
  // OpenSSL from 3.2 on does not offer them by itself any more.
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

const CERTIFICATES = { RSA, ECDSA: FIRST };
test('AEAD with forward secrecy, and nothing else, at the start and after each renewal', async () => {
  for (const [kind, other] of [
    ['RSA', 'ECDSA'],
    ['ECDSA', 'RSA'],
  ] as const) {
    await withServer(
      new Router(),
      async (server) => {
        await checkOffers(server, kind, CERTIFICATES[kind]);
        server.renewTls(CERTIFICATES[other]);
        await checkOffers(server, other, CERTIFICATES[other]);
        server.renewTls(CERTIFICATES[kind]);
        await checkOffers(server, kind, CERTIFICATES[kind]);
      },
      { tls: CERTIFICATES[kind] },
    );
  }
});

test('the server chooses the suite', async () => {
  await withServer(
    new Router(),
    async (server) => {
      for (let round = 0; round < 2; round += 1) {
        const names = ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384'];
        for (const ciphers of [names.join(':'), names.toReversed().join(':')]) {
          const chosen = await shakeHands(server.port, { ciphers, maxVersion: 'TLSv1.2' });
          assert.equal(chosen, 'TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384');
        }
        server.renewTls(RSA);
      }
    },
    { tls: RSA },
  );
});

test('a session can be resumed for an hour at most, and not after a renewal', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  await withServer(
    new Router(),
    async (server) => {
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
    },
    { tls: RSA },
  );
});

test('a client that asks for another handshake is cut off', async () => {
  for (const isRenewed of [false, true]) {
    await withServer(
      new Router(),
      async (server) => {
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
      },
      { tls: RSA },
    );
  }
});

test('a key that is too short is refused, at the start and at a renewal', async () => {
  const tooShort = { code: 'ERR_SSL_EE_KEY_TOO_SMALL' };
  const start = () =>
    listen(new Router(), { port: 0, tls: WEAK_RSA }).then((server) => server.close());
  await assert.rejects(start, tooShort);
  await withServer(
    new Router(),
    async (server) => {
      assert.throws(() => server.renewTls(WEAK_RSA), tooShort);
      assert.equal(await shakeHands(server.port, {}), 'TLSv1.3 TLS_AES_256_GCM_SHA384');
    },
    { tls: RSA },
  );
});

const lacksOpenssl = spawnSync('openssl', ['version']).error !== undefined && 'there is no openssl';
test('openssl s_client is refused as well', { skip: lacksOpenssl }, async () => {
  await withServer(
    new Router(),
    async (server) => {
      const ask = async (...words: string[]) => {
        const child = spawn('openssl', [
          's_client',
          '-connect',
          `127.0.0.1:${server.port}`,
          ...words,
        ]);
        let said = '';
        for (const stream of [child.stdout, child.stderr])
          stream.on('data', (some) => (said += some));
        child.stdin.end('\n');
        await once(child, 'close');
        return /Cipher is (\S+)/.exec(said)?.[1];
      };
      assert.equal(
        await ask('-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256'),
        'ECDHE-RSA-AES128-GCM-SHA256',
      );
      assert.equal(
        await ask('-tls1_2', '-cipher', 'AES128-SHA:AES128-GCM-SHA256:@SECLEVEL=0'),
        '(NONE)',
      );
      assert.equal(await ask('-tls1_2', '-cipher', 'ECDHE-RSA-AES128-SHA:@SECLEVEL=0'), '(NONE)');
      assert.equal(await ask('-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'), '(NONE)');
      assert.equal(await ask('-tls1', '-cipher', 'ALL:@SECLEVEL=0'), '(NONE)');
    },
    { tls: RSA },
  );
});

test('answers over TLS tell browsers to stay there, and over plain HTTP they do not', async () => {
  const app = new Router();
  for (const tls of [undefined, FIRST]) {
    await withServer(
      app,
      async ({ port }) => {
        for (const bytes of [
          'GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
          'garbage\r\n\r\n',
        ]) {
          const options = { port, host: '127.0.0.1', rejectUnauthorized: false };
          const socket = tls === undefined ? connectPlain(options) : connect(options);
          socket.setEncoding('latin1').write(bytes);
          let answer = '';
          for await (const some of socket) answer += some;
          const lines = answer.match(/^Strict-Transport-Security: .*$/gm) ?? [];
          assert.deepEqual(
            lines,
            tls === undefined ? [] : ['Strict-Transport-Security: max-age=15552000'],
            answer,
          );
        }
      },
      tls && { tls },
    );
  }
});
