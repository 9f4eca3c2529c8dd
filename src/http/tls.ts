/**
 * What the server offers over TLS (RFC 9325): versions 1.2 and 1.3, and only suites with forward
 * secrecy and AEAD. Every setting is given, because node:tls takes defaults from NODE_OPTIONS, and
 * a context that is made again from a certificate alone goes back to them.
 */
import { constants, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions, type Server } from 'node:tls';
import { expecting, readOptions, type Check } from '../options.ts';

/**
 * A certificate, followed by those between it and a root, and its private key, as PEM (RFC 7468).
 */
export interface TlsOptions {
  /** The certificate, then those between it and a root. */
  readonly cert: string | Buffer;
  /** Its private key, without a passphrase. */
  readonly key: string | Buffer;
}

/**
 * The suites of TLS 1.3, and of TLS 1.2 those that RFC 9325 §4.2 recommends and the same with
 * ChaCha20-Poly1305.
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
  // Keys and signatures of at least 112 bits of strength: RSA keys have 2048 bits or more.
  '@SECLEVEL=2',
];

/**
 * Elliptic curves alone: OpenSSL would offer finite fields of up to 8192 bits in TLS 1.3 as well,
 * where a client makes the server work far harder than itself (CVE-2002-20001).
 */
const CURVES = 'X25519:P-256:P-384';
/**
 * With a group that holds even if a quantum computer breaks the curves. OpenSSL has it from 3.5 on.
 */
const HYBRID_AND_CURVES = `X25519MLKEM768:${CURVES}`;

const SETTINGS: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: SUITES.join(':'),
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION
    | constants.SSL_OP_NO_COMPRESSION
    | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
};

/**
 * One key of the server encrypts all session tickets, and with it the keys of each session of TLS
 * 1.2: forward secrecy begins when that key is forgotten (RFC 9325 §4.4).
 */
const TICKET_KEY_MS = 3_600_000;
/** A name, a key for HMAC and one for AES, as node:tls has it. */
const TICKET_KEY_BYTES = 48;

/**
 * Half a year, which a client takes over TLS alone (RFC 6797 §7.2), for this host name and not for
 * those below it. A browser that has seen it asks this host for nothing over plain HTTP any more,
 * on whatever port.
 */
export const STRICT_TRANSPORT_SECURITY = 'max-age=15552000';

const textCheck = expecting('text in PEM, as a string or a Buffer', (value) => {
  return typeof value === 'string' || Buffer.isBuffer(value);
});

const pemCheck: Check = (name, value) => {
  textCheck(name, value);
  const isPem = String(value).includes('-----BEGIN ');
  if (!isPem) throw new TypeError(`"${name}" expected text in PEM, got text without "-----BEGIN"`);
};

/**
 * @returns a copy
 * @throws TypeError if a member is missing, unknown or not in PEM, or if the key belongs to another
 *   certificate, and what node:crypto and node:tls throw for what they cannot read or is too weak
 */
export function checkedTls(options: TlsOptions): TlsOptions {
  const tls = readOptions(options, { cert: pemCheck, key: pemCheck }, ['cert', 'key']);
  // node:tls alone would accept a key of another kind, and then fail each handshake.
  if (!new X509Certificate(tls.cert).checkPrivateKey(createPrivateKey(tls.key))) {
    throw new TypeError('"key" expected the private key of the certificate, got another');
  }
  createSecureContext(secureSettings(tls));
  return tls;
}

/** @returns all settings of a server for this certificate, for its start and for each renewal */
export function secureSettings({ cert, key }: TlsOptions): SecureContextOptions {
  const ecdhCurve = isKnown(HYBRID_AND_CURVES) ? HYBRID_AND_CURVES : CURVES;
  return { ...SETTINGS, ecdhCurve, cert, key };
}

/** Gives a server new keys of session tickets every hour. @returns what ends that */
export function rotateTicketKeys(server: Server): () => void {
  const rotate = () => server.setTicketKeys(randomBytes(TICKET_KEY_BYTES));
  const timer = setInterval(rotate, TICKET_KEY_MS).unref();
  return () => clearInterval(timer);
}

function isKnown(ecdhCurve: string): boolean {
  try {
    createSecureContext({ ecdhCurve });
    return true;
  } catch {
    return false;
  }
}
