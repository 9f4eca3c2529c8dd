/** What is said about a text that is not the certificate or the key that it should be. */
import assert from 'node:assert/strict';
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
} from 'node:crypto';
import { test } from 'node:test';
import { checkedTls, type TlsOptions } from '../../src/http/tls.ts';
import { FIRST, RSA, SECOND } from '../support/certificates.ts';

const KIND = 'errors that name the right culprit:';

const cert = String(FIRST.cert);
const key = String(FIRST.key);
const secret = createPrivateKey(key);
const encryption = { cipher: 'aes-256-cbc', passphrase: 'marker' };
const encrypted = secret.export({ type: 'pkcs8', format: 'pem', ...encryption });
const encryptedRsa = createPrivateKey(RSA.key).export({
  type: 'pkcs1',
  format: 'pem',
  ...encryption,
});
const keyInDer = secret.export({ type: 'pkcs8', format: 'der' });
const certInDer = new X509Certificate(cert).raw;
const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' });
const labelled = (label: string) => cert.replaceAll('CERTIFICATE', label);

const DECRYPT = /^"key" expected a private key without a passphrase, got an .* \("openssl pkey/;
const OPENSSH = /^"key" .* of OpenSSH \("ssh-keygen -p -m PEM -f key" converts it\)$/;
const INDENTED = /one that cannot be read: its lines are indented$/;
const UNREADABLE = /cannot be read: it may be incomplete, or lack its line breaks$/;
const DER = /got DER or PKCS #12 \("openssl/;

const REFUSED: readonly [what: string, wrong: Partial<TlsOptions>, message: RegExp][] = [
  ['an encrypted key', { key: encrypted }, DECRYPT],
  ['an encrypted key of OpenSSL 1', { ...RSA, key: encryptedRsa }, DECRYPT],
  ['an encrypted key behind its certificate', { key: `${cert}\n${encrypted}` }, DECRYPT],
  ['the key as certificate', { cert: key }, /^"cert" expected a certificate .* got a private key$/],
  ['the certificate as key', { key: cert }, /^"key" expected a private key .* got a certificate$/],
  ['a public key', { key: publicKey }, /^"key" expected .*, got a public key$/],
  ['a key of OpenSSH', { key: labelled('OPENSSH PRIVATE KEY') }, OPENSSH],
  ['a request', { cert: labelled('CERTIFICATE REQUEST') }, /^"cert" .* certificate request, /],
  ['PKCS #7', { cert: labelled('PKCS7') }, /^"cert" .* got a bundle of PKCS #7$/],
  ['an unknown label', { cert: labelled('MARKER') }, /^"cert" .* got PEM of another kind$/],
  ['a certificate in DER', { cert: certInDer }, DER],
  ['a key in DER', { key: keyInDer }, DER],
  ['UTF-16', { cert: Buffer.from(`\ufeff${cert}`, 'utf16le') }, /^"cert" .* got text in UTF-16, /],
  ['an empty text', { cert: '' }, /^"cert" expected text in PEM, got an empty text$/],
  ['a path', { cert: './marker.pem' }, /^"cert" .* such as a path \(the file must be /],
  ['an indented certificate', { cert: cert.replace(/^/gm, '  ') }, INDENTED],
  ['an indented key', { key: key.replace(/^/gm, '\t') }, INDENTED],
  ['half a certificate', { cert: cert.slice(0, 300) }, UNREADABLE],
  ['half a key', { key: key.slice(0, 100) }, UNREADABLE],
  ['a key without line breaks', { key: key.replaceAll('\n', '\\n') }, UNREADABLE],
  ['half an intermediate', { cert: `${cert}\n${cert.slice(0, 300)}` }, /^"cert" .* intermediates /],
  ['intermediates first', { cert: `${SECOND.cert}\n${cert}` }, / before its .* after them$/],
  ['another key', { key: SECOND.key }, /^"key" expected the private key of the /],
];

for (const [what, wrong, message] of REFUSED) {
  test(`${KIND} a TLS pair with ${what}`, () => {
    assert.throws(() => checkedTls({ ...FIRST, ...wrong }), (error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /marker|routines/i);
      return true;
    });
  });
}

test(`${KIND} a TLS key of a kind that fits no suite`, () => {
  const kinds = 'a key of RSA, EdDSA, or ECDSA with P-256, P-384 or P-521';
  const message = `"key" expected ${kinds}, got another kind`;
  const pairs = [
    generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }),
    generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
    generateKeyPairSync('x25519'),
  ];
  for (const { privateKey } of pairs) {
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
    assert.throws(() => checkedTls({ ...FIRST, key: pem }), { name: 'TypeError', message });
  }
  // The kind is right, and only the certificate belongs to another key.
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp521r1' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  assert.throws(
    () => checkedTls({ ...FIRST, key: pem }),
    /the private key of the certificate, got/,
  );
});

test('a TLS pair is accepted in every form of PEM that OpenSSL reads', () => {
  const pairs: readonly TlsOptions[] = [
    FIRST,
    RSA,
    { cert: Buffer.from(cert), key: Buffer.from(key) },
    { cert: `${key}\n${cert}`, key: `${cert}\n${key}` },
    { cert: `${cert}\n${SECOND.cert}`, key },
    { cert: `\ufeff${cert.replaceAll('\n', '\r\n')}`, key },
    { ...RSA, key: createPrivateKey(RSA.key).export({ type: 'pkcs1', format: 'pem' }) },
    { cert, key: secret.export({ type: 'sec1', format: 'pem' }) },
  ];
  for (const pair of pairs) {
    const texts = { cert: String(pair.cert), key: String(pair.key) };
    assert.deepEqual({ ...checkedTls(pair) }, texts);
  }
});
