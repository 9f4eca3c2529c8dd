/** Chromium, driven by Playwright. Debian's package has it; any other Chrome does as well. */
import { existsSync } from 'node:fs';
import { getuid } from 'node:process';
import { chromium, type Browser } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = PLACES.find((place) => existsSync(place));

/** For the option `skip` of a test: the reason, or false if there is a browser. */
export const skipWithoutChromium: string | false =
  executablePath === undefined && 'Chromium is not installed';

/**
 * @param keepsPages whether it keeps pages in memory when it leaves them (bfcache), as browsers do
 *   and Playwright does not
 * @returns a running browser. Close it at the end of the test.
 */
export async function launchChromium({ keepsPages = false } = {}): Promise<Browser> {
  if (executablePath === undefined) throw new Error('Chromium is not installed');
  // Chromium refuses to run with its sandbox as root, as in most containers.
  const args = getuid?.() === 0 ? ['--no-sandbox'] : [];
  const ignoreDefaultArgs = keepsPages ? ['--disable-back-forward-cache'] : [];
  return chromium.launch({ executablePath, args, ignoreDefaultArgs });
}
