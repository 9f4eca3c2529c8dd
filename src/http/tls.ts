/**
 * TLS as RFC 9325 recommends. Promise: the server offers only TLS 1.2 and 1.3, and suites that have
 * forward secrecy and AEAD, also after a renewal. Every setting is given, because NODE_OPTIONS can
 * change the defaults of node:tls. A renewal with a certificate alone would restore those defaults.
 */
import { constants, randomBytes } from 'node:crypto';
import timers from 'node:timers';
import type { SecureContextOptions, Server } from 'node:tls';
import { loadTls } from '../node-modules.ts';
import { readOptions } from '../options.ts';
import { propertyOf } from '../values.ts';
import {
  certificateCheck,
  isLaterCertificateOf,
  privateKeyCheck,
  readCertificate,
  readPrivateKey,
  textOf,
} from './pem.ts';

/** A certificate and its private key, as PEM (RFC 7468). */
export interface TlsOptions {
  /** The certificate, followed by its intermediate certificates. */
  readonly cert: string | Buffer;
  /** Its private key, without a passphrase. */
  readonly key: string | Buffer;
}

/**
 * The suites of TLS 1.3, and for TLS 1.2 those that RFC 9325 §4.2 recommends and
 * their equivalents with ChaCha20-Poly1305.
 */
const SUITES = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
];

/** At least 112 bits of security for keys and signatures, as in an RSA key of 2048 bits. */
const SECURITY_LEVEL = '@SECLEVEL=2';

/**
 * The groups for the key exchange: elliptic curves only. By default some versions of OpenSSL also
 * offer finite fields of up to 8192 bits in TLS 1.3. With these a client makes the server work far
 * harder than itself (CVE-2002-20001).
 */
const GROUPS = 'X25519:P-256:P-384';
/** The group X25519MLKEM768 also resists quantum computers. OpenSSL has it from version 3.5 on. */
const HYBRID_AND_GROUPS = `X25519MLKEM768:${GROUPS}`;

const TLS_SETTINGS: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: [...SUITES, SECURITY_LEVEL].join(':'),
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION
    | constants.SSL_OP_NO_COMPRESSION
    | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
};

/**
 * How long one key encrypts session tickets. A ticket of TLS 1.2 holds the keys of its session. So
 * there is forward secrecy only once the server has forgotten the ticket key (RFC 9325 §3.4).
 */
const TICKET_KEY_MS = 3_600_000;
/** The length that node:tls requires: 16 bytes each for a name, an HMAC key and an AES key. */
const TICKET_KEY_BYTES = 48;

/**
 * The value of the header Strict-Transport-Security (RFC 6797). For half a year a browser that has
 * received it does not use plain HTTP for this host name, on any port. Subdomains are not included.
 * The header must be sent over TLS alone (§7.2).
 */
export const STRICT_TRANSPORT_SECURITY = 'max-age=15552000';

/** Each handshake would fail with a key of another kind, such as DSA, or on another curve. */
const KEY_TYPES: readonly unknown[] = ['rsa', 'rsa-pss', 'ec', 'ed25519', 'ed448'];
const CURVES: readonly unknown[] = [undefined, 'prime256v1', 'secp384r1', 'secp521r1'];
const KEY_KINDS = 'a key of RSA, EdDSA, or ECDSA with P-256, P-384 or P-521';

/**
 * Checks a certificate and its key.
 * @returns a copy of the options, as texts
 * @throws TypeError if an option is missing or unknown, is not a certificate or an unencrypted
 *   private key in PEM, or cannot be read; if the key belongs to another certificate; or if a key
 *   or a signature is too weak. An error of OpenSSL is its `cause`.
 * @throws what node:tls throws for any other reason
 */
export function checkedTls(options: TlsOptions): TlsOptions {
  const checks = { cert: certificateCheck, key: privateKeyCheck };
  const given = readOptions(options, checks, ['cert', 'key']);
  const tls = { cert: textOf(given.cert), key: textOf(given.key) };
  const key = readPrivateKey('key', tls.key);
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (!KEY_TYPES.includes(key.asymmetricKeyType) || !CURVES.includes(curve)) {
    throw new TypeError(`"key" expected ${KEY_KINDS}, got another kind`);
  }
  // node:tls accepts a key of another type than the certificate's, and then fails each handshake.
  if (!readCertificate('cert', tls.cert).checkPrivateKey(key)) {
    if (isLaterCertificateOf(key, tls.cert)) {
      const expected = 'the certificate of the key before its intermediates';
      throw new TypeError(`"cert" expected ${expected}, got it after them`);
    }
    throw new TypeError('"key" expected the private key of the certificate, got another');
  }
  try {
    // Only for its errors: it throws if OpenSSL refuses the certificate or the key.
    loadTls().createSecureContext(secureSettings(tls));
  } catch (error) {
    throw explainedError(error);
  }
  return tls;
}

/** What OpenSSL refuses in a pair whose first certificate and key could be read. */
const EXPLANATIONS: readonly (readonly [code: RegExp, text: string])[] = [
  [/^ERR_SSL_EE_KEY_TOO_SMALL$/, 'a key of 2048 bits or more for RSA, got a weaker one'],
  [/^ERR_SSL_CA_KEY_TOO_SMALL$/, 'intermediates with keys of 2048 bits or more, got a weaker one'],
  [/^ERR_SSL_CA_MD_TOO_WEAK$/, 'a signature with SHA-256 or stronger, got a weaker one'],
  [/^ERR_OSSL_(?:PEM|ASN1)_/, 'intermediates in PEM, got one that cannot be read'],
];

/** @returns a TypeError for an error of OpenSSL that the table explains; any other error itself */
function explainedError(error: unknown): unknown {
  const code = String(propertyOf(error, 'code'));
  const [, text] = EXPLANATIONS.find(([pattern]) => pattern.test(code)) ?? [];
  if (text === undefined) return error;
  return Object.assign(new TypeError(`"cert" expected ${text}`, { cause: error }), { code });
}

/** @returns all TLS settings with a certificate and its key, for the start and each renewal */
export function secureSettings({ cert, key }: TlsOptions): SecureContextOptions {
  const ecdhCurve = isSupported(HYBRID_AND_GROUPS) ? HYBRID_AND_GROUPS : GROUPS;
  return { ...TLS_SETTINGS, ecdhCurve, cert, key };
}

/**
 * Replaces the key of session tickets every hour.
 * @returns a function that stops the replacement
 */
export function rotateTicketKeys(server: Server): () => void {
  const rotate = () => server.setTicketKeys(randomBytes(TICKET_KEY_BYTES));
  // jsdom has timers of its own, without `unref`.
  const timer = timers.setInterval(rotate, TICKET_KEY_MS).unref();
  return () => timers.clearInterval(timer);
}

/** @returns whether this OpenSSL supports all of these groups */
function isSupported(ecdhCurve: string): boolean {
  try {
    loadTls().createSecureContext({ ecdhCurve });
    return true;
  } catch {
    return false;
  }
}
