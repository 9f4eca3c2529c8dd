/** Warns of settings that the server accepts although they weaken it. */

import type { Source } from '../arguments.ts';
import { passwordWarningOf } from '../stores/store-choice.ts';
import type { SourcedServeConfig } from './flags.ts';

/** N = 2^17 is OWASP's first choice for scrypt. */
const SAFE_SCRYPT_COST = 17;

/** 30 days. */
const LONG_LIFETIME_SECONDS = 2_592_000;

/** RFC 7519 §4.1.4: usually no more than a few minutes. */
const LONG_LEEWAY_SECONDS = 300;

/** A loopback address, or a Unix socket. */
const LOCAL_URL = /^http:\/\/(127\.|\[::1\]|unix:)/;

/**
 * Finds settings that are legal and dangerous. `latchkey serve` logs a warning for each once it
 * listens.
 * `--page on` is not one of them, on any address: the page sends what any client can send.
 * @param url where the server listens
 * @returns what the danger is, and what to do
 */
export function warningsOf(config: SourcedServeConfig, url: string): readonly string[] {
  const { scryptCost, lifetimeSeconds, leewaySeconds, throttle, users, host, hostSource } = config;
  const warnings: string[] = [];
  if (scryptCost < SAFE_SCRYPT_COST) {
    const problem = `--scrypt-cost ${scryptCost} makes stolen hashes easy to guess`;
    warnings.push(`${problem}: use ${SAFE_SCRYPT_COST} or more`);
  }
  if (lifetimeSeconds > LONG_LIFETIME_SECONDS) {
    const days = Math.floor(lifetimeSeconds / 86_400);
    const hasSessions = config.sessions !== 'off';
    const time = hasSessions ? `until its session ends, or for ${days} days` : `for ${days} days`;
    const problem = `--lifetime ${lifetimeSeconds} lets a stolen token work ${time}`;
    const advice = hasSessions
      ? 'and let clients refresh their tokens'
      : 'because only a new secret, or to disable or remove the user, ends a token earlier';
    warnings.push(`${problem}: use ${LONG_LIFETIME_SECONDS} or less, ${advice}`);
  }
  if (leewaySeconds > LONG_LEEWAY_SECONDS) {
    const problem = `--leeway ${leewaySeconds} accepts tokens long after they expire`;
    warnings.push(`${problem}: set the clocks, and use ${LONG_LEEWAY_SECONDS} or less`);
  }
  if (throttle === 'off') {
    const problem = '--throttle off lets clients guess passwords without a limit';
    warnings.push(`${problem}: limit logins elsewhere, such as in the proxy`);
  }
  const passwordWarning = passwordWarningOf(users);
  if (passwordWarning !== undefined) warnings.push(passwordWarning);
  if (url.startsWith('http:') && !LOCAL_URL.test(url)) {
    warnings.push(plainHttpWarning(host, hostSource));
  }
  return warnings;
}

function plainHttpWarning(host: string, { kind, name }: Source): string {
  const problem = 'plain HTTP shows passwords to the network';
  if (kind !== 'variable') {
    return `${problem}: use --tls-cert and --tls-key, or a TLS proxy in front`;
  }
  const cause = `${name} makes the server listen on ${host}`;
  const remedy = 'unset it, use --host 127.0.0.1, or serve TLS with --tls-cert and --tls-key';
  return `${cause}, where ${problem}: ${remedy}`;
}
