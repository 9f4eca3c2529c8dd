/**
 * Certificates and private keys in PEM (RFC 7468): what a text holds that the caller passed as one
 * of them. OpenSSL reports only where its parser stopped.
 * Promise: no message repeats any part of the text.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { types } from 'node:util';
import { expecting, type Check } from '../options.ts';

// A Buffer that comes from a worker is a plain Uint8Array.
const textCheck = expecting('text in PEM, as a string or a Buffer', (value) => {
  return typeof value === 'string' || types.isUint8Array(value);
});

/** @param pem a value that has passed `certificateCheck` or `privateKeyCheck` */
export function textOf(pem: unknown): string {
  return types.isUint8Array(pem) ? Buffer.from(pem).toString() : String(pem);
}

/** Checks that a text has a certificate in PEM. */
export const certificateCheck: Check = (name, value) => {
  const kinds = labelsIn(name, value).map(kindOf);
  if (kinds.includes(CERTIFICATE)) return;
  throw new TypeError(`"${name}" expected a certificate in PEM, got ${kinds[0]}`);
};

/** Checks that a text has a private key in PEM, and that its first one is not encrypted. */
export const privateKeyCheck: Check = (name, value) => {
  const kinds = labelsIn(name, value).map(kindOf);
  const key = kinds.find((kind) => kind === KEY || kind === ENCRYPTED_KEY);
  if (key === undefined) {
    throw new TypeError(`"${name}" expected a private key in PEM, got ${kinds[0]}`);
  }
  if (key === ENCRYPTED_KEY || textOf(value).includes('Proc-Type: 4,ENCRYPTED')) {
    const remedy = '"openssl pkey -in encrypted.pem -out key.pem" decrypts it';
    const expected = 'a private key without a passphrase';
    throw new TypeError(`"${name}" expected ${expected}, got an encrypted one (${remedy})`);
  }
};

/** @returns the labels of a text in PEM, such as `RSA PRIVATE KEY` */
function labelsIn(name: string, value: unknown): readonly string[] {
  textCheck(name, value);
  const labels = Array.from(textOf(value).matchAll(BEGINNING), ([, label = '']) => label);
  if (labels.length > 0) return labels;
  throw new TypeError(`"${name}" expected text in PEM, got ${otherText(value)}`);
}

const BEGINNING = /-----BEGIN ([A-Z0-9 ]+)-----/g;

const CERTIFICATE = 'a certificate';
const KEY = 'a private key';
const ENCRYPTED_KEY = 'an encrypted private key';

const KINDS: readonly (readonly [label: RegExp, kind: string])[] = [
  [/^(?:X509 |TRUSTED )?CERTIFICATE$/, CERTIFICATE],
  [/CERTIFICATE REQUEST$/, 'a certificate request, which a certificate authority has to sign'],
  [/^ENCRYPTED PRIVATE KEY$/, ENCRYPTED_KEY],
  [/^OPENSSH PRIVATE KEY$/, 'a private key in the format of OpenSSH'],
  [/PRIVATE KEY$/, KEY],
  [/PUBLIC KEY$/, 'a public key'],
  [/^(?:PKCS7|CMS)$/, 'a bundle of PKCS #7'],
];

function kindOf(label: string): string {
  return KINDS.find(([pattern]) => pattern.test(label))?.[1] ?? 'PEM of another kind';
}

/** The first byte of DER, and so of PKCS #12. */
const DER_START = 0x30;

/** @returns what a text without a label is, for a message */
function otherText(value: unknown): string {
  const bytes = Buffer.from(textOf(value));
  if (bytes.length === 0) return 'an empty text';
  if (typeof value === 'string' && !value.includes('\n')) {
    return 'text without "-----BEGIN", such as a path (the file must be read first)';
  }
  if (bytes.includes('\0')) {
    const remedy = '"openssl x509", "openssl pkey" and "openssl pkcs12" convert it';
    const isDer = bytes[0] === DER_START;
    return isDer ? `DER or PKCS #12 (${remedy})` : 'text in UTF-16, or other bytes';
  }
  return 'text without "-----BEGIN"';
}

/** What can keep OpenSSL from reading PEM that has the right label. */
const UNREADABLE = 'one that cannot be read: it may be incomplete, or lack its line breaks';

/**
 * @returns the first certificate of a text that has passed `certificateCheck`
 * @throws TypeError with the error of OpenSSL as its `cause`
 */
export function readCertificate(name: string, text: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    const message = `"${name}" expected a certificate in PEM, got ${UNREADABLE}`;
    throw new TypeError(message, { cause });
  }
}

/**
 * @returns the first private key of a text that has passed `privateKeyCheck`
 * @throws TypeError with the error of OpenSSL as its `cause`
 */
export function readPrivateKey(name: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    const message = `"${name}" expected a private key in PEM, got ${UNREADABLE}`;
    throw new TypeError(message, { cause });
  }
}

const CERTIFICATE_BLOCK = /-----BEGIN ([A-Z0-9 ]*CERTIFICATE)-----[^-]*-----END \1-----/g;

/** @returns whether a certificate after the first one belongs to the key */
export function isLaterCertificateOf(key: KeyObject, text: string): boolean {
  const [, ...later] = text.match(CERTIFICATE_BLOCK) ?? [];
  return later.some((block) => {
    try {
      return new X509Certificate(block).checkPrivateKey(key);
    } catch {
      return false;
    }
  });
}
