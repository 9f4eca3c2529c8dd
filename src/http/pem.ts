/**
 * Reads certificates and private keys in PEM (RFC 7468). If the caller passed another text, the
 * message says what the text holds. An error of OpenSSL says only where its parser stopped.
 * Promise: no message repeats any part of the text.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { isUint8Array } from 'node:util/types';
import { expecting, type Check } from '../options.ts';

// A Buffer that comes from a worker is a plain Uint8Array.
const textCheck = expecting('text in PEM, as a string or a Buffer', (value) => {
  return typeof value === 'string' || isUint8Array(value);
});

/** @param pem a value that has passed `certificateCheck` or `privateKeyCheck` */
export function textOf(pem: unknown): string {
  return isUint8Array(pem) ? Buffer.from(pem).toString() : String(pem);
}

/** Checks that a text has a certificate in PEM. */
export const certificateCheck: Check = (name, value) => {
  const blocks = blocksIn(name, value);
  if (blocks.some(({ kind }) => kind === 'certificate')) return;
  throw new TypeError(`"${name}" expected a certificate in PEM, got ${blocks[0].text}`);
};

/** Checks that a text has a private key in PEM, and that its first one is not encrypted. */
export const privateKeyCheck: Check = (name, value) => {
  const blocks = blocksIn(name, value);
  const key = blocks.find(({ kind }) => kind === 'key' || kind === 'encrypted key');
  if (key === undefined) {
    throw new TypeError(`"${name}" expected a private key in PEM, got ${blocks[0].text}`);
  }
  if (key.kind === 'encrypted key' || textOf(value).includes('Proc-Type: 4,ENCRYPTED')) {
    const remedy = '"openssl pkey -in encrypted.pem -out key.pem" decrypts it';
    const expected = 'a private key without a passphrase';
    throw new TypeError(`"${name}" expected ${expected}, got an encrypted one (${remedy})`);
  }
};

/** A block of PEM. */
interface Block {
  readonly kind: 'certificate' | 'key' | 'encrypted key' | 'other';
  /** What the block holds, for a message. */
  readonly text: string;
}

/**
 * @returns at least one block
 * @throws TypeError if the value is not text in PEM
 */
function blocksIn(name: string, value: unknown): readonly [Block, ...Block[]] {
  textCheck(name, value);
  const labels = textOf(value).matchAll(BEGINNING);
  const [first, ...others] = Array.from(labels, ([, label = '']) => blockOf(label));
  if (first !== undefined) return [first, ...others];
  throw new TypeError(`"${name}" expected text in PEM, got ${otherText(value)}`);
}

/** Captures the label, such as `RSA PRIVATE KEY`. */
const BEGINNING = /-----BEGIN ([A-Z0-9 ]+)-----/g;

const BLOCKS: readonly (readonly [label: RegExp, kind: Block['kind'], text: string])[] = [
  [/^(?:X509 |TRUSTED )?CERTIFICATE$/, 'certificate', 'a certificate'],
  [
    /CERTIFICATE REQUEST$/,
    'other',
    'a certificate request, which a certificate authority has to sign',
  ],
  [/^ENCRYPTED PRIVATE KEY$/, 'encrypted key', 'an encrypted private key'],
  [
    /^OPENSSH PRIVATE KEY$/,
    'other',
    'a private key in the format of OpenSSH ("ssh-keygen -p -m PEM -f key" converts it)',
  ],
  [/PRIVATE KEY$/, 'key', 'a private key'],
  [/PUBLIC KEY$/, 'other', 'a public key'],
  [/^(?:PKCS7|CMS)$/, 'other', 'a bundle of PKCS #7'],
];

function blockOf(label: string): Block {
  const row = BLOCKS.find(([pattern]) => pattern.test(label));
  const [, kind = 'other', text = 'PEM of another kind'] = row ?? [];
  return { kind, text };
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
  return readPem(name, 'a certificate', text, () => new X509Certificate(text));
}

/**
 * @returns the first private key of a text that has passed `privateKeyCheck`
 * @throws TypeError with the error of OpenSSL as its `cause`
 */
export function readPrivateKey(name: string, text: string): KeyObject {
  return readPem(name, 'a private key', text, () => createPrivateKey(text));
}

/** As in a block of YAML. OpenSSL reads no such line. */
const INDENTED = /^[ \t]+-----BEGIN /m;

function readPem<Result>(name: string, kind: string, text: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    const isIndented = INDENTED.test(text);
    const got = isIndented ? 'one that cannot be read: its lines are indented' : UNREADABLE;
    throw new TypeError(`"${name}" expected ${kind} in PEM, got ${got}`, { cause });
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
